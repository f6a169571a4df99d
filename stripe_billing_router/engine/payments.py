"""Is the payment that a refund gives back one that the ledger shows for the same bot?"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ..models import LedgerEntry, Operation, OperationState
from ..ports import Store

_PAYING = frozenset({"charge", "subscription", "checkout_session"})
_RENEWED = "paid"
"""The status of what a webhook told of: a later invoice of a bot's own subscription."""

_COLLECTED = frozenset({OperationState.SUCCEEDED, _RENEWED})
_HAPPENED = _COLLECTED | {OperationState.PROCESSING}
_NAMING = ("id", "latest_charge", "payment_intent", "charge", "invoice", "latest_invoice")
"""Where Stripe names payments in what it tells; other text in it may be the bot's own."""


def own_payment(operation: Operation, store: Store) -> LedgerEntry | None:
    """Return the ledger's entry of the bot's own payment that a refund is for, or None.

    Of several the one that tells what was collected: one of a payment under way says nothing yet.
    """
    params = operation.steps[0].params
    asked = [operation.arguments.get("payment_id")]
    wanted = [*asked, params.get("payment_intent"), params.get("charge")]
    shown = [
        entry
        for stripe_id in dict.fromkeys(str(name) for name in wanted if name)
        for entry in store.payments(stripe_id, str(operation.bot))
        if _shows(entry, stripe_id)
    ]
    return max(shown, key=lambda entry: (is_collected(entry), entry.sequence), default=None)


def is_collected(entry: LedgerEntry) -> bool:
    """Say whether an entry tells how much was collected."""
    return entry.status in _COLLECTED


def spender_of(paid: LedgerEntry | None) -> str | None:
    """Return by whose name a payment took of budgets: its operation's, or a renewal's own id."""
    if paid is None or paid.status == _RENEWED:
        return None if paid is None else paid.id
    return paid.operation_id


def _shows(entry: LedgerEntry, stripe_id: str) -> bool:
    if entry.action_type not in _PAYING or entry.status not in _HAPPENED:
        return False
    return entry.id == stripe_id or stripe_id in _named(_told(entry))


def _told(entry: LedgerEntry) -> Mapping[str, Any]:
    """Return what Stripe told of a payment; nothing where it was erased."""
    told = json.loads(entry.raw_event_json) if entry.raw_event_json else {}
    return told if isinstance(told, Mapping) else {}


def _named(told: Mapping[str, Any]) -> Iterator[str]:
    """Yield the ids of a payment, its charge and its invoice, also of the objects in them."""
    for name in _NAMING:
        value = told.get(name)
        if isinstance(value, str):
            yield value
        elif isinstance(value, Mapping):
            yield from _named(value)
    for payment in _listed(told.get("payments")):
        yield from _named(payment.get("payment") or {})


def _listed(value: Any) -> list[Mapping[str, Any]]:
    found = value.get("data") if isinstance(value, Mapping) else None
    return [item for item in found if isinstance(item, Mapping)] if isinstance(found, list) else []
