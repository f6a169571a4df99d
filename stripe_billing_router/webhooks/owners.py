"""Whose payment is it? For disputes and refunds that name no operation of ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..engine import AccountCheck
from ..errors import StripeUnavailableError
from ..models import Operation
from ..ports import Books, KeyProvider
from ..store import FallbackStore
from .reading import operation_named_by


class Owners:
    """Finds the operation that made a payment: in the ledger, else by asking Stripe."""

    def __init__(
        self, store: FallbackStore, keys: KeyProvider, accounts: AccountCheck, books: Books
    ) -> None:
        self._store = store
        self._keys = keys
        self._accounts = accounts
        self._books = books

    def of(self, obj: Mapping[str, Any]) -> Operation | None:
        """Return the operation behind the payment of a dispute or refund, None if it is not ours.

        The answer does not depend on what has been recorded already.
        """
        payment = _id(obj.get("payment_intent"))
        for name in (payment, _id(obj.get("charge"))):
            known = self._store.operation_of(name) if name else None
            if known is not None:
                return self._store.operation(known)
        return None if payment is None else self._asked(payment)

    def _asked(self, payment: str) -> Operation | None:
        keys = self._keys.keys()
        self._accounts.check(None, keys)
        found = self._named_by(self._books.one("payment_intents", payment, keys))
        if found is not None:
            return found
        query = {"payment": {"type": "payment_intent", "payment_intent": payment}, "limit": 1}
        items = self._books.page("invoice_payments", keys, query).items
        if any(_paying(item) != payment for item in items):
            raise StripeUnavailableError(
                "Stripe lists other payments than that which was asked for; nothing was changed."
            )
        invoice_id = _id(items[0].get("invoice")) if items else None
        invoice = self._books.one("invoices", invoice_id, keys) if invoice_id else None
        if invoice is None:
            return None
        return self._named_by(invoice) or self._named_by(subscription_of(invoice))

    def _named_by(self, obj: object) -> Operation | None:
        named = operation_named_by(obj)
        return None if named is None else self._store.operation(named)


def _paying(item: Mapping[str, Any]) -> str | None:
    payment = item.get("payment")
    return _id(payment.get("payment_intent")) if isinstance(payment, Mapping) else None


def subscription_of(invoice: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what an invoice shows of its subscription, metadata included; {} if it has none.

    An endpoint of an older API version is sent its id beside what else is known of it.
    """
    parent = invoice.get("parent")
    details = parent.get("subscription_details") if isinstance(parent, Mapping) else None
    named = _id(invoice.get("subscription"))
    if named is not None:
        details = {**(invoice.get("subscription_details") or {}), "subscription": named}
    return details if isinstance(details, Mapping) else {}


def _id(value: object) -> str | None:
    found = value.get("id") if isinstance(value, Mapping) else value
    return found if isinstance(found, str) and found else None
