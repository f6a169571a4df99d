"""What domains, regions, categories, bots and override rules may be called."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ..models.bots import NAME
from ..models.routes import KEY_FIELDS
from ..redaction import redact, shown

REGION: Final = "region"
"""The override key that chooses the region of a call; no rule may use it."""


def wrong_name(value: object) -> str | None:
    """Return what is wrong with the name of a domain, region, category or bot; None if nothing."""
    if not isinstance(value, str):
        return f"is not text but {shown(value)}"
    if redact(value) != value:
        return "holds a key; keys come from Vault or the environment only"
    if not NAME.fullmatch(value):
        return (
            f"is {shown(value)}; use letters, digits, '_', '-' and '.', "
            "beginning with a letter or a digit, at most 64 characters"
        )
    return None


def wrong_override_key(key: object) -> str | None:
    """Return what is wrong with the key of an override rule; None if nothing."""
    if key == REGION:
        return "'region' is reserved: it chooses the region of a call"
    if isinstance(key, str) and key.lower() in KEY_FIELDS:
        return f"{key} does not belong here; keys come from Vault or the environment only"
    return wrong_override_value(key)


def wrong_override_value(value: object) -> str | None:
    """Return what is wrong with the value of an override rule; None if nothing."""
    if not isinstance(value, str):
        return f"is not text but {shown(value)}"
    if redact(value) != value:
        return "holds a key; keys come from Vault or the environment only"
    if not value.isprintable() or not 0 < len(value) <= 255:
        return f"is {shown(value)}; use 1 to 255 printable characters"
    return None


def dotted(names: Iterable[object]) -> str:
    """Return names as one path for a message; what is not a name is quoted and redacted."""
    return ".".join(shown(name) if wrong_name(name) else str(name) for name in names)
