"""Billing events out of the ledger's database into the host's own systems."""

from typing import TYPE_CHECKING

from ..locks import late
from ..models import BillingEvent
from ..ports import EventSink
from .pump import EventPump, PumpReport

if TYPE_CHECKING:
    from .redis_streams import RedisStreamsSink

__all__ = ["BillingEvent", "EventPump", "EventSink", "PumpReport", "RedisStreamsSink"]

__getattr__ = late(__name__, {".redis_streams": "RedisStreamsSink"})  # which needs an extra
