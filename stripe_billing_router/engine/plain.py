"""Whatever a host hands over, as JSON-like data."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ..redaction import shown

_DEEPEST = 20


def plain(value: Any, depth: int = 0) -> Any:
    """Return `value` in JSON types: times in ISO form, what JSON does not know as short text."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < 1 << 63 else str(value)[:80]
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if depth == _DEEPEST:
        return shown(value)
    if isinstance(value, Mapping):
        return {str(name): plain(item, depth + 1) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, depth + 1) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((plain(item, depth + 1) for item in value), key=str)
    return str(value) if isinstance(value, Decimal) else shown(value)
