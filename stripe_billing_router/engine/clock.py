"""The real clock."""

from __future__ import annotations

import time

_SUSPENSION_COUNTS = getattr(time, "CLOCK_BOOTTIME", None)


class SystemClock:
    """Wall time, and seconds that go on while the host is suspended (where the system has them)."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def elapsed(self) -> float:
        if _SUSPENSION_COUNTS is None:
            return time.monotonic()
        return time.clock_gettime(_SUSPENSION_COUNTS)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)
