"""The webhooks of the default router as functions; see the methods of `Webhooks`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from ..default import get_router
from ..secrecy import discreet
from .access import webhooks_of
from .backfilling import Backfilled
from .handlers import SHARED, H
from .receiving import Receipt
from .working import Progress


@discreet
def receive(payload: bytes, signature: str | None) -> Receipt:
    """Verify and store one delivery: raw body and Stripe-Signature header."""
    return webhooks_of(get_router()).receive(payload, signature)


@discreet
def on(*event_types: str) -> Callable[[H], H]:
    """Register a handler for these types, whichever router receives them; makes no router."""
    return SHARED.on(*event_types)


@discreet
def process_pending(limit: int = 100) -> Progress:
    """Apply up to `limit` stored events that are due."""
    return webhooks_of(get_router()).process_pending(limit)


@discreet
def backfill(since: dt.datetime | int) -> Backfilled:
    """Store what Stripe has told since then and was never delivered."""
    return webhooks_of(get_router()).backfill(since)


@discreet
def replay(event_id: str) -> None:
    """Make an event work to do again."""
    webhooks_of(get_router()).replay(event_id)
