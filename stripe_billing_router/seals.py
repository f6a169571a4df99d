"""Seals: whoever can write to the database or the journal, but holds no key, cannot make one.

A seal is an HMAC-SHA256 over what it is about, each part with its length, under a secret that is
derived from a secret key (HKDF, RFC 5869) or from a seal key of the host's own.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable

from .secrecy import Unpicklable

_HASH = "sha256"
_SALT = b"stripe_billing_router"
_INFO = b"seal of what is stored, version 1"


class Seals(Unpicklable):
    """Makes seals with the first of `keys`, and accepts those of all of them."""

    __slots__ = ("_secrets",)

    def __init__(self, keys: Iterable[str]) -> None:
        self._secrets = tuple(map(_derived, keys))

    def seal(self, purpose: str, *parts: str | int | None) -> str:
        """Return the seal of these parts, in hexadecimal. Seals of one purpose serve no other."""
        return hmac.digest(self._secrets[0], _message(purpose, parts), _HASH).hex()

    def holds(self, seal: str | None, purpose: str, *parts: str | int | None) -> bool:
        """Say whether a seal was made of these very parts by a holder of one of the keys."""
        if not seal:
            return False
        message, given = _message(purpose, parts), seal.encode()
        found = [hmac.digest(secret, message, _HASH).hex() for secret in self._secrets]
        return any(hmac.compare_digest(made.encode(), given) for made in found)

    def __repr__(self) -> str:
        return "Seals()"


def _derived(key: str) -> bytes:
    """HKDF: the secret says nothing of the key, and is of no use to Stripe."""
    extracted = hmac.digest(_SALT, key.encode(), _HASH)
    return hmac.digest(extracted, _INFO + b"\x01", _HASH)


def _message(purpose: str, parts: tuple[str | int | None, ...]) -> bytes:
    return b"".join(map(_prefixed, (purpose, *parts)))


def _prefixed(part: str | int | None) -> bytes:
    if part is None:
        return b"-"
    data = str(part).encode()
    return b"%d:%b" % (len(data), data)
