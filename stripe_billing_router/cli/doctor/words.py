"""What several checks say."""

from __future__ import annotations

from typing import Final

_APART_MS: Final = 60_000


def counted(number: int, what: str) -> str:
    """Return a number of things, in words."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def apart(ahead_ms: int, whose: str) -> str | None:
    """Return what to say of a clock that is so far ahead of this host's; None if that is little."""
    if abs(ahead_ms) <= _APART_MS:
        return None
    way = "behind" if ahead_ms > 0 else "ahead of"
    return f"This host's clock is {abs(ahead_ms) // 1000:,} s {way} {whose}. Have NTP set it."
