"""A router's webhooks: receive, work, look, fetch what is missing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from weakref import WeakKeyDictionary

from ..client import BillingRouter, assembly_of
from ..errors import InvalidRequestError
from ..locks import ForkSafeLock
from ..models import InboxEvent, InboxState
from ..redaction import shown
from ..secrecy import discreet_methods
from .backfilling import Backfill, Backfilled
from .handlers import H, Handlers
from .receiving import Receipt, Receiver
from .working import Progress, Worker

LEASE_SECONDS = 60.0


@discreet_methods
class Webhooks:
    """What Stripe tells `router`. Safe under threads and from several processes.

    `lease_seconds` is for how long an event is out of others' reach once it is taken; it has to
    be longer than the host's handlers take for one.
    """

    def __init__(self, router: BillingRouter, *, lease_seconds: float = LEASE_SECONDS) -> None:
        parts = assembly_of(router)
        self._store = parts.store
        self._handlers = Handlers()
        self._receiver = Receiver(
            parts.store,
            parts.keys,
            parts.webhooks,
            parts.engine.clock,
            parts.engine.accounts,
            parts.webhook_check,
            parts.observers,
        )
        self._worker = Worker(parts, self._handlers, lease_seconds)
        self._backfill = Backfill(parts.queries, self._receiver)

    def receive(self, payload: bytes, signature: str | None) -> Receipt:
        """Verify and store one delivery; fast, for it does nothing else.

        `payload` is the request's raw body, `signature` its Stripe-Signature header. Answer 200
        once this returns. WebhookError (answer 400) for what cannot be trusted; anything else
        that is raised (answer 500) has Stripe deliver it again.
        """
        return self._receiver.receive(payload, signature)

    def on(self, *event_types: str) -> Callable[[H], H]:
        """Return a decorator that registers a handler for these types, `"*"` for all.

        Handlers run in the worker, after the router's own change is committed, at least once for
        each event: they have to bear being called again.
        """
        return self._handlers.on(*event_types)

    def process_pending(self, limit: int = 100) -> Progress:
        """Apply up to `limit` stored events that are due, and run the handlers for them."""
        if limit < 1:
            raise InvalidRequestError(
                f"limit is {shown(limit)}; pass a whole number from 1.", parameter="limit"
            )
        return self._worker.process(limit)

    def backfill(self, since: dt.datetime | int) -> Backfilled:
        """Store what Stripe has told since then and was never delivered; it keeps 30 days.

        `since` is an aware datetime or seconds since the epoch. Safe at any time.
        """
        return self._backfill.since(since)

    def replay(self, event_id: str) -> None:
        """Make an event work to do again, such as a dead letter. What it has changed is not
        changed again; handlers run again. InvalidRequestError if it is not in the inbox."""
        if self._store.inbox.event(event_id) is None:
            raise InvalidRequestError(
                f"There is no event {shown(event_id)} in the inbox; see `stripe-billing-router "
                "webhooks list`, or fetch it with backfill().",
                parameter="event_id",
            )
        self._store.inbox.replay(event_id)

    def event(self, event_id: str) -> InboxEvent | None:
        """Return a stored event."""
        return self._store.inbox.event(event_id)

    def events(
        self,
        *,
        states: Iterable[InboxState] | None = None,
        event_type: str | None = None,
        limit: int = 100,
    ) -> list[InboxEvent]:
        """Return stored events, those received last first."""
        return self._store.inbox.events(states=states, event_type=event_type, limit=limit)


_known: WeakKeyDictionary[BillingRouter, Webhooks] = WeakKeyDictionary()
_knowing = ForkSafeLock()


def webhooks_of(router: BillingRouter) -> Webhooks:
    """Return a router's webhooks, the same object for the same router."""
    with _knowing:
        found = _known.get(router)
        if found is None:
            found = _known[router] = Webhooks(router)
        return found
