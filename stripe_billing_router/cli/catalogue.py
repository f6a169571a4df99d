"""Prices and customers as Stripe has them; each is read once, nothing is written."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from ..bootstrap import Given, assemble
from ..errors import KeyConfigurationError
from ..master_account import STRIPE_MASTER_ACCOUNT_ID

_Object = Mapping[str, Any]


class Catalogue:
    """What the master account has. KeyConfigurationError if the key is another account's."""

    def __init__(self, config: Path | None) -> None:
        parts = assemble(Given(None if config is None else config.absolute()))
        self._provider = parts.providers.default
        self._books = parts.books
        self._keys = parts.keys.keys()
        self._known: dict[tuple[str, str], _Object | None] = {}

    def __enter__(self) -> Self:
        account = STRIPE_MASTER_ACCOUNT_ID
        # A restricted key may not read its account; it is asked for what it may read.
        with suppress(KeyConfigurationError):
            account, _ = self._provider.account_of(self._keys)
        if account != STRIPE_MASTER_ACCOUNT_ID:
            raise KeyConfigurationError(
                f"The key is of another account ({account}) than the master account, "
                "whose prices and customers these would not be; configure the right key.",
                reason="other_account",
            )
        return self

    def __exit__(self, *_: object) -> None:
        self._provider.close()

    def price(self, price_id: str) -> _Object | None:
        """Return a price with its amounts in further currencies, or None if there is none."""
        return self._read("prices", price_id, "currency_options")

    def customer(self, customer_id: str) -> _Object | None:
        """Return a customer with their default payment method, or None if there is none."""
        return self._read("customers", customer_id, "invoice_settings.default_payment_method")

    def payment_method(self, method_id: str) -> _Object | None:
        """Return a payment method, or None if there is none."""
        return self._read("payment_methods", method_id)

    def _read(self, kind: str, object_id: str, *expand: str) -> _Object | None:
        if (kind, object_id) not in self._known:
            found = self._books.one(kind, object_id, self._keys, expand)
            self._known[kind, object_id] = found
        return self._known[kind, object_id]
