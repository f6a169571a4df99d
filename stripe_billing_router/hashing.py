"""Stable hashes, and what is made of them: names that make a payment happen at most once, the
ledger's chain, and seals.

Operation ids and request keys depend on no clock and no amount: a keyed call always gets the same
ones, even if the ledger was lost; a keyless call gets a random id. In the chain, personal data (the
e-mail address, the raw JSON) enters an entry's hash as a salted commitment only, so that erasing
data and salt leaves the chain verifiable and the erased value unguessable. A seal is an HMAC-SHA256
over what it is about, each part with its length, under a secret that is derived from a secret key
(HKDF, RFC 5869) or from a seal key of the host's own: whoever can write to the database or the
journal, but holds no key, cannot make one.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from .models import BotId, LedgerEntry, Step
from .secrecy import Unpicklable

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def canonical_json(data: Any) -> str:
    """Return the one JSON text of JSON-like `data`: sorted names, no white space, ASCII only."""
    return _CANONICAL.encode(data)


def digest(data: Any) -> str:
    """Return the SHA-256 of the canonical JSON of `data`, in hexadecimal."""
    return hashlib.sha256(canonical_json(data).encode()).hexdigest()


def key_fingerprint(secret_key: str) -> str:
    """Return `sha256:<hex>` of a key: enough to recognise it, useless to sign with."""
    return "sha256:" + hashlib.sha256(secret_key.encode()).hexdigest()


def keyed_operation_id(bot: BotId, verb: str, key: str) -> str:
    """Return the operation id of a call with the caller's idempotency key."""
    return "op_" + digest([str(bot), verb, key])[:40]


def new_operation_id() -> str:
    """Return the operation id of a call without an idempotency key."""
    return "op_" + uuid.uuid4().hex


def new_attempt() -> str:
    """Return a name for one attempt of an operation."""
    return uuid.uuid4().hex[:15]


def request_key(operation_id: str, step: str, generation: int = 0) -> str:
    """Return the Idempotency-Key of one request: one for each step, the same for each retry."""
    return f"{operation_id}-{step}" + (f"-{generation}" if generation else "")


def input_hash(bot: BotId, verb: str, arguments: Mapping[str, Any]) -> str:
    """Return the hash of what the caller asked, before routing; it decides replays."""
    return digest([str(bot), verb, dict(arguments)])


def effect_hash(account_id: str, api_version: str, steps: Iterable[Step]) -> str:
    """Return the hash of what will be done, account included; approvals are bound to it."""
    frozen = [[step.name, step.method, step.path, step.params] for step in steps]
    return digest([account_id, api_version, frozen])


GENESIS = "0" * 64
"""What the first entry of a stream follows."""


def commitment(salt: str, text: str | None) -> str:
    """Return the commitment to `text` under `salt` (hexadecimal SHA-256)."""
    told = "absent" if text is None else f"present:{text}"
    return hashlib.sha256(f"{salt}:{told}".encode()).hexdigest()


def entry_hash(entry: LedgerEntry) -> str:
    """Return what the entry's `entry_hash` has to be."""
    return digest(
        [
            entry.stream,
            entry.stream_sequence,
            entry.previous_hash,
            entry.sequence,
            entry.id,
            entry.action_type,
            entry.amount_minor,
            entry.currency,
            entry.timestamp_ms,
            entry.bot_id,
            entry.destination_account,
            entry.error,
            entry.operation_id,
            entry.status,
            entry.user_email_commitment,
            entry.raw_event_commitment,
        ]
    )


_HASH = "sha256"
_BYTES = 24
"""Of 32, so that a seal and the name of what it is about fit into one column."""

_SALT = b"stripe_billing_router"
_INFO = b"seal of what is stored, version 1"


class Seals(Unpicklable):
    """Makes seals with the first of `keys`, and accepts those of all of them."""

    __slots__ = ("_secrets",)

    def __init__(self, keys: Iterable[str]) -> None:
        self._secrets = tuple(map(_derived, keys))

    def seal(self, purpose: str, *parts: str | int | None) -> str:
        """Return the seal of these parts, in hexadecimal. Seals of one purpose serve no other."""
        return _made(self._secrets[0], _message(purpose, parts))

    def holds(self, seal: str | None, purpose: str, *parts: str | int | None) -> bool:
        """Say whether a seal was made of these very parts by a holder of one of the keys."""
        if not isinstance(seal, str) or not seal.isascii():
            return False
        message, given = _message(purpose, parts), seal.encode()
        found = [_made(secret, message) for secret in self._secrets]
        return any(hmac.compare_digest(made.encode(), given) for made in found)

    def __repr__(self) -> str:
        return "Seals()"


def _made(secret: bytes, message: bytes) -> str:
    return hmac.digest(secret, message, _HASH)[:_BYTES].hex()


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
