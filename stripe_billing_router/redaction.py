"""Take secrets out of text and data before they are shown, stored or raised."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

REDACTED = "[redacted]"

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

_SECRET_FIELDS = frozenset({"client_secret", "api_key", "secret_key"})


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


def without_secrets(data: Any) -> Any:
    """Return a copy of JSON-like `data` less its secrets: fields, and what stands in texts."""
    if isinstance(data, Mapping):
        return {k: without_secrets(v) for k, v in data.items() if k not in _SECRET_FIELDS}
    if isinstance(data, list | tuple):
        return [without_secrets(item) for item in data]
    if isinstance(data, str) and ("_secret_" in data or "_live_" in data):
        return redact(data)
    return data
