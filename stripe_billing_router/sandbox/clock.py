"""Time as the sandbox tells it: it moves when told to, never by itself."""

from __future__ import annotations

import threading
from collections.abc import Callable

DEFAULT_NOW_MS = 1_793_000_000_000
"""26 October 2026: a little before the API version that the sandbox speaks."""

DAY = 86_400
"""Seconds."""


class VirtualClock:
    """A settable wall clock in milliseconds, with the methods of the engine's `Clock`.

    `source`, if given, is a wall clock in milliseconds to follow; `advance` and `set` then move
    this clock relative to it. `elapsed` counts the seconds that `advance` and `sleep` went
    forward: setting the wall clock does not change it.
    """

    def __init__(self, now_ms: int | None = None, source: Callable[[], int] | None = None) -> None:
        self._lock = threading.Lock()
        self._source = source or (lambda: 0)
        self._start = self._source()
        self._offset = 0 if source and now_ms is None else (now_ms or DEFAULT_NOW_MS) - self._start
        self._advanced = 0.0

    def now_ms(self) -> int:
        """Return milliseconds since the epoch."""
        return self._source() + self._offset

    def now(self) -> int:
        """Return whole seconds since the epoch, as Stripe's objects carry them."""
        return self.now_ms() // 1000

    def elapsed(self) -> float:
        """Return the seconds gone by, whatever was done to the wall clock."""
        return (self._source() - self._start) / 1000 + self._advanced

    def advance(self, seconds: float) -> None:
        """Let `seconds` go by."""
        with self._lock:
            self._offset += round(seconds * 1000)
            self._advanced += seconds

    def sleep(self, seconds: float) -> None:
        """Let `seconds` go by without waiting."""
        self.advance(seconds)

    def set(self, now_ms: int) -> None:
        """Set the wall clock, forward or back, as an administrator would."""
        with self._lock:
            self._offset = now_ms - self._source()
