"""Billing events out of the ledger's database into the host's own systems."""

from typing import TYPE_CHECKING, Any

from ..models import BillingEvent
from ..ports import EventSink
from .pump import EventPump, PumpReport

if TYPE_CHECKING:
    from .redis_streams import RedisStreamsSink

__all__ = ["BillingEvent", "EventPump", "EventSink", "PumpReport", "RedisStreamsSink"]


def __getattr__(name: str) -> Any:
    """Load the Redis sink, which needs an extra, only when it is asked for."""
    if name == "RedisStreamsSink":
        from .redis_streams import RedisStreamsSink  # noqa: PLC0415 - an extra

        return RedisStreamsSink
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
