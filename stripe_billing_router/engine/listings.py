"""Everything that the master account holds, a page at a time, for those who check the books."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import StripeUnavailableError
from ..ports import Clock, Discrepancy, KeyProvider, Reply
from ..secrecy import discreet_methods
from .accounts import AccountCheck
from .answers import good, items_of
from .pacing import Pace
from .reads import Reader, with_keys

_MEND = "Give the key the permission to read it."

PAGE = 100
"""The most objects that Stripe puts on a page."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, the newest first. The next begins after the id `next_after`, if any."""

    items: tuple[Mapping[str, Any], ...]
    next_after: str | None


@discreet_methods
class Listings:
    """Reads lists and single objects with the account's key, at a pace that leaves room."""

    def __init__(
        self, keys: KeyProvider, accounts: AccountCheck, reader: Reader, clock: Clock
    ) -> None:
        self._keys = keys
        self._accounts = accounts
        self._reader = reader
        self._pace = Pace(clock)

    def discrepancy(self) -> Discrepancy | None:
        """Return what makes the key not the master account's. Nothing is frozen or rolled back."""
        self._accounts.check_pin()
        return with_keys(self._keys, lambda keys: self._accounts.discrepancy(None, keys))

    def now_ms(self) -> int | None:
        """Return the time by Stripe's clock, None if it does not say."""
        return self._reader.now_ms(self._keys.keys().secret_key)

    def page(self, path: str, query: Mapping[str, Any], after: str | None = None) -> Page:
        """Return a page of at most `PAGE` objects. Raises a BillingError if it cannot be read."""
        params = {"limit": PAGE, **query, **({} if after is None else {"starting_after": after})}
        return page_of(good(self._get(path, "list", params), _MEND))

    def one(self, path: str, expects: str) -> Mapping[str, Any] | None:
        """Return an object, None if Stripe has none or has deleted it."""
        reply = self._get(path, expects, {})
        if reply.status == 404:
            return None
        body = good(reply, _MEND)
        return None if body.get("deleted") else body

    def _get(self, path: str, expects: str, params: Mapping[str, Any]) -> Reply:
        key = self._keys.keys().secret_key
        endpoint = "/".join(path.split("/")[:3])
        return self._pace.ask(endpoint, lambda: self._reader.get(path, key, expects, params))


def page_of(body: Mapping[str, Any]) -> Page:
    """Return a page of a list; StripeUnavailableError if it cannot be read."""
    items = items_of(body)
    if items is None:
        raise unreadable()
    more = bool(body.get("has_more")) and bool(items)
    return Page(tuple(items), str(items[-1]["id"]) if more else None)


def unreadable() -> StripeUnavailableError:
    return StripeUnavailableError(
        "Stripe's answer cannot be read; nothing was changed. Repeat the call, or see "
        "https://status.stripe.com."
    )
