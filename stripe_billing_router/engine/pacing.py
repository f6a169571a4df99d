"""Reading much without taking from bots what they need: a pace, and patience when told to wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ..errors import RateLimitedError
from ..ports import Clock

PER_ENDPOINT = 20
IN_ALL = 80
"""Requests in a second. Stripe grants 25 and 100 in live mode; the rest is left to the bots."""

_PATIENCE = 8
_FIRST_WAIT, _LONGEST_WAIT = 2.0, 120.0

T = TypeVar("T")


class Pace:
    """Spaces requests out, in all and for each endpoint."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._next: dict[str, float] = {}
        self._next_of_all = 0.0

    def ask(self, endpoint: str, send: Callable[[], T]) -> T:
        """Return what `send` returns, once its turn has come; RateLimitedError if Stripe goes on
        refusing after minutes."""
        for attempt in range(_PATIENCE):
            self._wait(endpoint)
            try:
                return send()
            except RateLimitedError as limited:
                if attempt == _PATIENCE - 1:
                    raise
                self._clock.sleep(_pause(attempt, limited.retry_after))
        raise AssertionError("the last attempt returns or raises")

    def _wait(self, endpoint: str) -> None:
        now = self._clock.elapsed()
        turn = max(now, self._next_of_all, self._next.get(endpoint, 0.0))
        if turn > now:
            self._clock.sleep(turn - now)
        self._next_of_all = turn + 1 / IN_ALL
        self._next[endpoint] = turn + 1 / PER_ENDPOINT


def _pause(attempt: int, retry_after: float | None) -> float:
    return max(min(_FIRST_WAIT * 2.0**attempt, _LONGEST_WAIT), retry_after or 0.0)
