"""What is read of Stripe: the lists, and how far before the window each has to be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any

from ..frozen import frozen
from . import shapes
from .limits import DAY_MS, Limits

_FAILED = ("charge.failed", "payment_intent.payment_failed", "invoice.payment_failed")


@frozen
class Source:
    """One of Stripe's lists. `before_ms`: objects made that long before the window still matter
    for what happened in it. `per_payment`: about how many objects one payment makes. `of` is the
    list's own name, where that is another."""

    name: str
    read: Callable[[shapes.Object], shapes.Row]
    query: Mapping[str, Any] = field(default_factory=dict)
    before_ms: int = 0
    per_payment: float = 1.0
    of: str | None = None

    @property
    def kind(self) -> str:
        return self.of or self.name

    def asked(self, limits: Limits, until_ms: int) -> dict[str, Any]:
        """Return the query for a window, in Stripe's whole seconds."""
        since = max(limits.since_ms - self.before_ms, 0) // 1000
        return {**self.query, "created": {"gte": since, "lt": -(-until_ms // 1000)}}


_WAITING = 2 * DAY_MS
"""What waits for its customer is ended after a day."""

SOURCES: tuple[Source, ...] = (
    Source("charges", shapes.charge),
    Source("payment_intents", shapes.intent, before_ms=_WAITING),
    Source("refunds", shapes.refund, per_payment=0.1),
    Source("disputes", shapes.dispute, before_ms=120 * DAY_MS, per_payment=0.01),
    Source("invoices", shapes.invoice, before_ms=_WAITING, per_payment=0.5),
    Source("invoice_payments", shapes.invoice_payment, before_ms=_WAITING, per_payment=0.5),
    Source("subscriptions", shapes.subscription, {"status": "all"}, _WAITING, 0.1),
    Source("checkout_sessions", shapes.session, before_ms=_WAITING, per_payment=0.2),
    Source("failed_events", shapes.failure, {"types": list(_FAILED)}, 0, 0.1, "events"),
    Source("balance_transactions", shapes.transaction),
)
