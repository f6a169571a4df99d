"""Webhooks: what Stripe says, stored once, applied once, in whatever order it comes.

::

    webhooks.receive(request.body, request.headers["Stripe-Signature"])      # in the web app
    webhooks.process_pending()         # or `stripe-billing-router webhooks work`, as a process

    @webhooks.on("invoice.paid")       # for what the host itself wants to do
    def extend(event: webhooks.WebhookEvent) -> None: ...
"""

from ..models import InboxEvent, InboxState
from .access import Webhooks, webhooks_of
from .backfilling import Backfilled
from .functions import backfill, on, process_pending, receive, replay
from .handlers import WebhookEvent
from .receiving import Receipt
from .working import Progress

__all__ = [
    "Backfilled",
    "InboxEvent",
    "InboxState",
    "Progress",
    "Receipt",
    "WebhookEvent",
    "Webhooks",
    "backfill",
    "on",
    "process_pending",
    "receive",
    "replay",
    "webhooks_of",
]
