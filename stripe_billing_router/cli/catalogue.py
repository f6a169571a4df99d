"""Prices and customers as Stripe has them; each is read once, nothing is written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from ..bootstrap import Given, assemble
from ..engine import Reader, SystemClock
from ..errors import KeyConfigurationError, StripeRequestError
from ..master_account import STRIPE_MASTER_ACCOUNT_ID
from ..ports import Reply

_Object = Mapping[str, Any]


class Catalogue:
    """What the master account has. KeyConfigurationError if the key is another account's."""

    def __init__(self, config: Path | None) -> None:
        parts = assemble(Given(None if config is None else config.absolute()))
        self._gateway = parts.gateway
        self._reader = Reader(parts.gateway, SystemClock())
        self._key = parts.keys.keys().secret_key
        self._known: dict[str, _Object | None] = {}

    def __enter__(self) -> Self:
        account = self._reader.account(self._key)
        # A restricted key may not read its account; it is asked for what it may read.
        if account.status == 200 and account.body["id"] != STRIPE_MASTER_ACCOUNT_ID:
            raise KeyConfigurationError(
                f"The key is of another account ({account.body['id']}) than the master account, "
                "whose prices and customers these would not be; configure the right key.",
                reason="other_account",
            )
        return self

    def __exit__(self, *_: object) -> None:
        self._gateway.close()

    def price(self, price_id: str) -> _Object | None:
        """Return a price with its amounts in further currencies, or None if there is none."""
        return self._read(f"/v1/prices/{price_id}", "price", {"expand": ["currency_options"]})

    def customer(self, customer_id: str) -> _Object | None:
        """Return a customer with their default payment method, or None if there is none."""
        expand = {"expand": ["invoice_settings.default_payment_method"]}
        return self._read(f"/v1/customers/{customer_id}", "customer", expand)

    def payment_method(self, method_id: str) -> _Object | None:
        """Return a payment method, or None if there is none."""
        return self._read(f"/v1/payment_methods/{method_id}", "payment_method")

    def _read(self, path: str, expects: str, params: _Object | None = None) -> _Object | None:
        if path not in self._known:
            reply = self._reader.get(path, self._key, expects, params)
            self._known[path] = _body(reply, path)
        return self._known[path]


def _body(reply: Reply, path: str) -> _Object | None:
    if reply.status == 200:
        return reply.body
    if reply.status == 404:
        return None
    raise StripeRequestError(
        f"Stripe does not show {path} (HTTP {reply.status}); give the key the permission to read "
        "prices, customers and payment methods, and repeat the command.",
        http_status=reply.status,
        request_id=reply.request_id,
    )
