"""The heads of all streams, exported together: what a ledger has to still contain later.

A hash chain shows a change in its middle; that its tail was cut off, or that a whole stream is
gone, shows only against heads that were kept elsewhere. They can be signed (Ed25519, extra
`signing`), so that whoever keeps them need not be trusted either.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..errors import ConfigurationError, LedgerTamperedError
from ..frozen import frozen
from ..hashing import canonical_json

_FORMAT = "stripe_ledger_heads/1"


@frozen
class LedgerHeads:
    """Where each stream ended at `exported_ms`: `{stream: (entries, entry_hash of the last)}`.

    `signature` is Ed25519 over everything else, in base64, or None.
    """

    account_id: str
    exported_ms: int
    streams: Mapping[str, tuple[int, str]]
    signature: str | None = None

    def to_json(self) -> str:
        """Return the text to keep."""
        return canonical_json({**self._content(), "signature": self.signature})

    @classmethod
    def from_json(cls, text: str | bytes) -> LedgerHeads:
        """Return kept heads; ConfigurationError if the text is none."""
        try:
            data = json.loads(text)
            if data["format"] != _FORMAT:
                raise ValueError("another format")
            streams = {str(name): (int(n), str(end)) for name, (n, end) in data["streams"].items()}
            return cls(
                str(data["account_id"]), int(data["exported_ms"]), streams, data.get("signature")
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise ConfigurationError(
                "These are no exported ledger heads. Pass what `stripe-billing-router ledger "
                "heads` printed."
            ) from None

    def signed(self, private_key_pem: bytes) -> LedgerHeads:
        """Return the heads with a signature by this Ed25519 private key (PEM)."""
        key = _load_private(private_key_pem)
        signature = key.sign(self._message())
        return replace(self, signature=base64.b64encode(signature).decode())

    def check_signature(self, public_key_pem: bytes) -> None:
        """Raise LedgerTamperedError unless the heads are signed by this Ed25519 key (PEM)."""
        key = _load_public(public_key_pem)
        if not _is_signed(key, self.signature, self._message()):
            raise LedgerTamperedError(
                "The heads are not signed by this key. Find the file that was exported, or who "
                "changed it."
            )

    def _content(self) -> dict[str, Any]:
        return {
            "format": _FORMAT,
            "account_id": self.account_id,
            "exported_ms": self.exported_ms,
            "streams": {name: list(end) for name, end in self.streams.items()},
        }

    def _message(self) -> bytes:
        return canonical_json(self._content()).encode()


def _is_signed(key: Any, signature: str | None, message: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - an extra

    try:
        key.verify(base64.b64decode(signature or "", validate=True), message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _load_private(pem: bytes) -> Any:
    from_pem, kind = _cryptography("load_pem_private_key", "Ed25519PrivateKey")
    return _loaded(lambda: from_pem(pem, password=None), kind, "private")


def _load_public(pem: bytes) -> Any:
    from_pem, kind = _cryptography("load_pem_public_key", "Ed25519PublicKey")
    return _loaded(lambda: from_pem(pem), kind, "public")


def _loaded(load: Any, kind: type, which: str) -> Any:
    try:
        key = load()
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, kind):
        raise ConfigurationError(
            f"This is no Ed25519 {which} key in PEM form without a passphrase. Make a pair with "
            "`openssl genpkey -algorithm ed25519`."
        )
    return key


def _cryptography(function: str, kind: str) -> tuple[Any, type]:
    try:
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - an extra
        from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415
    except ImportError:
        raise ConfigurationError(
            "Signing needs the extra `signing`: install stripe-billing-router[signing]."
        ) from None
    return getattr(serialization, function), getattr(ed25519, kind)
