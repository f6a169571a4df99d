"""Reads that a plan needs, cached for minutes."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import Any

from ..errors import StripeRequestError
from ..ports import Clock, Keys, Reply
from .reads import Reader

_GOOD_FOR = 300.0


class Lookups:
    """What Stripe knows of customers, shared by all calls of a router."""

    def __init__(self, reader: Reader, clock: Clock) -> None:
        self._reader = reader
        self._clock = clock
        self._methods: dict[str, tuple[float, str]] = {}
        self._lock = Lock()

    def with_keys(self, keys: Keys) -> KeyedLookups:
        return KeyedLookups(self, keys)

    def default_payment_method(self, customer_id: str, keys: Keys) -> str | None:
        """Return the customer's default payment method. That there is none is not remembered."""
        with self._lock:
            known = self._methods.get(customer_id)
        if known is not None and self._clock.elapsed() - known[0] < _GOOD_FOR:
            return known[1]
        method = _default_method(self._customer(customer_id, keys))
        if method is not None:
            with self._lock:
                self._methods[customer_id] = (self._clock.elapsed(), method)
        return method

    def forget_payment_method(self, method: str) -> None:
        """Drop a payment method that Stripe says is gone."""
        with self._lock:
            gone = [c for c, (_, known) in self._methods.items() if known == method]
            for customer_id in gone:
                del self._methods[customer_id]

    def _customer(self, customer_id: str, keys: Keys) -> Mapping[str, Any]:
        reply = self._reader.get(f"/v1/customers/{customer_id}", keys.secret_key, "customer")
        if reply.status == 200 and not reply.body.get("deleted"):
            return reply.body
        raise _no_customer(customer_id, reply)


class KeyedLookups:
    """The same, for one call with its keys."""

    def __init__(self, lookups: Lookups, keys: Keys) -> None:
        self._lookups = lookups
        self._keys = keys

    def default_payment_method(self, customer_id: str) -> str | None:
        return self._lookups.default_payment_method(customer_id, self._keys)


def _default_method(customer: Mapping[str, Any]) -> str | None:
    settings = customer.get("invoice_settings")
    method = settings.get("default_payment_method") if isinstance(settings, Mapping) else None
    method = method or customer.get("default_source")
    return str(method) if method else None


def _no_customer(customer_id: str, reply: Reply) -> StripeRequestError:
    return StripeRequestError(
        f"Stripe has no customer {customer_id} (HTTP {reply.status}). Correct customer_id in the "
        "route or the call; nothing was sent.",
        parameter="customer",
        http_status=reply.status,
        request_id=reply.request_id,
    )
