"""Before anything is reported, Stripe is asked for the very objects that it is about.

A list is a moment old when the ledger is read, and what an object belongs to may have been made
long before the window.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..models import Shown
from ..store import Workspace
from .reading import Reads, rows_of
from .sources import SOURCES, Source

_SOURCE: Mapping[str, Source] = {source.name: source for source in SOURCES}
_KINDS = {
    "pi_": ("payment_intents", "intents"),
    "ch_": ("charges", "charges"),
    "py_": ("charges", "charges"),
    "in_": ("invoices", "invoices"),
    "sub": ("subscriptions", "subscriptions"),
    "cs_": ("checkout_sessions", "sessions"),
    "re_": ("refunds", "refunds"),
    "pyr": ("refunds", "refunds"),
}
"""Source and table by the beginning of an id."""

MOST = 500
"""After so many second looks at charges and refunds that changed nothing, first sight counts: an
account that does not use the router at all would need millions."""


class SecondLook:
    """Reads single objects anew, with everything they belong to."""

    def __init__(self, reads: Reads, workspace: Workspace) -> None:
        self._reads = reads
        self._workspace = workspace
        self._left = MOST

    def at(self, shown: Shown) -> Shown | None:
        """Return what Stripe shows now; None if it does not show it any more."""
        if not self._left:
            return shown
        if shown.kind != "failure":
            self.take(shown.id)
            self._list("balance_transactions", {"source": shown.id})
        if shown.kind != "refund":
            self._relations(shown)
        return self._workspace.again(shown)

    def finds(self, object_id: str) -> bool:
        """Say whether Stripe, asked for an id, shows it as money that has moved."""
        self.take(object_id)
        return object_id in self._workspace.collected([object_id])

    def in_vain(self) -> None:
        """Count a second look that changed nothing."""
        self._left = max(self._left - 1, 0)

    def take(self, object_id: str) -> Mapping[str, Any] | None:
        """Stage one object as it is now, and return it; drop it if it is gone."""
        known = _KINDS.get(object_id[:3])
        if known is None:
            return None
        name, table = known
        source = _SOURCE[name]
        found = self._reads.one(source.kind, object_id)
        if found is None:
            self._workspace.forget(table, object_id)
        else:
            self._workspace.put(rows_of(source, [found]))
        return found

    def _relations(self, shown: Shown) -> None:
        """Payment intent, invoice, subscription and session of a payment."""
        invoices = {name for name in shown.ids if name.startswith("in_")}
        if shown.payment.startswith("pi_"):
            self.take(shown.payment)
            paid = {"type": "payment_intent", "payment_intent": shown.payment}
            invoices |= {p["invoice"] for p in self._list("invoice_payments", {"payment": paid})}
            self._list("checkout_sessions", {"payment_intent": shown.payment})
        for invoice in sorted(invoices):
            self._of_invoice(invoice)

    def _of_invoice(self, invoice_id: str) -> None:
        invoice = self.take(invoice_id) or {}
        details = (invoice.get("parent") or {}).get("subscription_details") or {}
        subscription = details.get("subscription")
        if isinstance(subscription, str):
            self.take(subscription)
            self._list("checkout_sessions", {"subscription": subscription})

    def _list(self, name: str, query: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        source = _SOURCE[name]
        items = self._reads.page(source.kind, query).items
        self._workspace.put(rows_of(source, items))
        return items
