"""Times as text: one shape wherever the watchdog writes one, so that texts sort as times do."""

from __future__ import annotations

import datetime as dt
import re
from typing import Final

from ..errors import InvalidRequestError
from ..redaction import shown

_AGO: Final = re.compile(r"([0-9]{1,6})([smhdw])", re.ASCII)
# From 2001 on: what is shorter may be a date, such as 20260131.
_EPOCH: Final = re.compile(r"([0-9]{9,11})(?:\.([0-9]{1,9}))?", re.ASCII)
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LATEST_MS: Final = 253_402_300_799_999


def iso(milliseconds: int) -> str:
    """Return `2026-01-31T23:59:59.000Z`: UTC, always 24 characters."""
    moment = dt.datetime.fromtimestamp(0, dt.UTC) + dt.timedelta(milliseconds=milliseconds)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


def moment_ms(text: str, now_ms: int) -> int:
    """Return the milliseconds of `36h` (so long ago), of a date, of a date and time, or of seconds
    since the epoch.

    Without an offset it is UTC. Raises InvalidRequestError.
    """
    if epoch := _EPOCH.fullmatch(text.strip()):
        return int(epoch[1]) * 1000 + int((epoch[2] or "").ljust(3, "0")[:3])
    if ago := _AGO.fullmatch(text.strip()):
        return max(0, now_ms - int(ago[1]) * _SECONDS[ago[2]] * 1000)
    found = _parsed(text)
    if found is None or not 0 <= found <= _LATEST_MS:
        raise InvalidRequestError(
            f"{shown(text)} is no time; write 2026-01-31, 2026-01-31T14:00:00Z, an age such as "
            "90m, 36h, 7d or 4w, or seconds since the epoch."
        )
    return found


def _parsed(text: str) -> int | None:
    try:
        moment = dt.datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return (moment - dt.datetime.fromtimestamp(0, dt.UTC)) // dt.timedelta(milliseconds=1)
