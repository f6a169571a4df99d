"""Take secrets out of text and data before they are shown, stored or raised."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeVar, cast

REDACTED = "[redacted]"

T = TypeVar("T")

_REST = r"""(?:[^\s"'<>,;)\]}]+)"""

# A long key is one wherever it stands: in a repr it may follow the "n" of an escaped line break.
# A short one has to stand alone, or honest names such as "desk_live_chat" would be refused.
_SECRET = re.compile(
    rf"""
      (?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{{10,}}{_REST}?   # API keys
    | (?<![A-Za-z])(?:sk|rk|pk)_(?:live|test|org)_{_REST}
    | (?:sk|rk|pk)_org_(?:live|test)_{_REST}                  # organisation keys
    | whsec_{_REST}                                           # webhook signing secrets
    | hv[sbr]\.{_REST}                                        # Vault tokens
    | [a-z]{{2,8}}_[A-Za-z0-9]+_secret_{_REST}                # client secrets
    | Bearer\s+{_REST}
    """,
    re.VERBOSE,
)

_MARKS = ("_live_", "_test_", "_org_", "_secret_", "whsec_", "hvs.", "hvb.", "hvr.", "Bearer")
"""One of these is in every secret; looking for them is quicker than for the secrets."""

_MARK = re.compile("|".join(map(re.escape, _MARKS)))

_SECRET_FIELDS = frozenset({"client_secret", "api_key", "secret_key"})
_SIGN = re.compile("|".join(map(re.escape, (*_MARKS, *sorted(_SECRET_FIELDS)))))
_PLAIN = frozenset({type(None), bool, int, float})


def redact(text: str) -> str:
    """Return `text` with anything that looks like a credential replaced."""
    return _SECRET.sub(REDACTED, text)


def shown(value: object, limit: int = 80) -> str:
    """Return a short, single-line, redacted `repr` of any object; never raises."""
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 256:
        return "an integer of more than 75 digits"
    try:
        text = repr(value[: 4 * limit] if isinstance(value, str | bytes) else value)
    except Exception:  # noqa: BLE001 - a hostile repr must not break an error message
        text = f"<{type(value).__name__} without a repr>"
    text = redact(text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def printable(text: str) -> str:
    """Return `text` as one line: what is not printable, line breaks and colours too, is escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def exact(value: T) -> T:
    """Return text as plain `str`, and anything else as it is.

    A subclass may equal, hash, split and show itself as it likes, and otherwise each time: what is
    judged must be what is stored and sent.
    """
    return cast("T", str.__str__(value)) if isinstance(value, str) else value


def may_hold_secrets(text: str) -> bool:
    """Say whether a JSON text may hold what `without_secrets` takes out."""
    return _SIGN.search(text) is not None


def without_secrets(data: Any) -> Any:
    """Return a copy of JSON-like `data` less its secrets: fields, and what stands in texts."""
    kind = type(data)
    if kind in _PLAIN:
        return data
    if kind is str:
        return _clean(data)
    if kind is dict or isinstance(data, Mapping):
        return {
            _clean_name(name): value if type(value) in _PLAIN else without_secrets(value)
            for name, value in data.items()
            if name not in _SECRET_FIELDS
        }
    if kind is list or isinstance(data, list | tuple):
        return [without_secrets(item) for item in data]
    return redact(data) if isinstance(data, str) else data


def _clean(text: str) -> str:
    return redact(text) if _MARK.search(text) else text


@lru_cache(maxsize=2048, typed=True)
def _clean_name(name: Any) -> Any:
    """Objects of one kind have the same names, again and again."""
    return without_secrets(name)
