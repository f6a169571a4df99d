"""Who may ask: secret keys, the accounts they belong to, and what restricted ones may not."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Mapping
from dataclasses import field

from ..frozen import frozen
from .failures import StripeFailure, error_object, forbidden

SANDBOX_SECRET_KEY = "sk_live_sandbox00000000000000"  # noqa: S105 - opens nothing but a sandbox


@frozen
class ApiKey:
    """A valid key. `denied` holds the resources (`account`, `customers`, …) it may not touch."""

    secret: str = field(repr=False)
    account: str
    denied: frozenset[str] = frozenset()

    def check(self, resource: str) -> None:
        """StripeFailure (403) if this key may not use the resource."""
        if resource in self.denied:
            raise forbidden(
                f"The provided key '{masked(self.secret)}' does not have the required permissions "
                f"for this endpoint ({resource}) on account '{self.account}'."
            )


def masked(key: str) -> str:
    """Return a key as Stripe shows it: the kind and the last four characters."""
    return f"{key[:8]}{'*' * 12}{key[-4:]}" if len(key) > 16 else "*" * len(key)


class KeyRing:
    """The keys that a world knows."""

    def __init__(self) -> None:
        self._keys: dict[str, ApiKey] = {}
        self._revoked: set[str] = set()

    def add(self, key: str, account: str, denied: Collection[str]) -> None:
        self._keys[key] = ApiKey(key, account, frozenset(denied))
        self._revoked.discard(key)

    def revoke(self, key: str) -> None:
        if key not in self._keys:
            raise KeyError("this key was never added")
        self._revoked.add(key)

    def authenticate(self, headers: Mapping[str, str]) -> ApiKey:
        """Return the key of a request; StripeFailure (401, 403) if it is not good here."""
        key = presented_key(headers)
        if not key:
            raise _unauthorized("You did not provide an API key.")
        if key in self._revoked:
            raise _unauthorized(f"Expired API Key provided: {masked(key)}", "api_key_expired")
        if key not in self._keys:
            raise _unauthorized(f"Invalid API Key provided: {masked(key)}")
        self._refuse_other_accounts(self._keys[key], headers)
        return self._keys[key]

    def _refuse_other_accounts(self, key: ApiKey, headers: Mapping[str, str]) -> None:
        for name in ("stripe-account", "stripe-context"):
            if headers.get(name) not in (None, "", key.account):
                raise forbidden(
                    f"The provided key '{masked(key.secret)}' does not have access to account "
                    f"'{headers[name]}' (or that account does not exist).",
                    "account_invalid",
                )


def presented_key(headers: Mapping[str, str]) -> str | None:
    """Return the key in the `Authorization` header: a bearer token, or a basic user name."""
    scheme, _, credentials = headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip() or None
    if scheme.lower() == "basic":
        return _basic_user(credentials)
    return None


def _basic_user(credentials: str) -> str | None:
    try:
        text = base64.b64decode(credentials, validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    return text.partition(":")[0] or None


def _unauthorized(message: str, code: str | None = None) -> StripeFailure:
    return StripeFailure(401, error_object(message, code=code))
