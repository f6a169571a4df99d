"""Stable hashes: of what a caller asked, of what will be done, of a key."""

from __future__ import annotations

import hashlib
import json
from typing import Any

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
