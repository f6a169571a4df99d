"""Whether the database answers: since when it does not, and how soon it is worth asking again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ..ports import (
    ApprovalNotGiven,
    BudgetExceeded,
    Clock,
    DuplicateOperation,
    StaleLease,
    TwinInDoubt,
)
from .database import Away

GOOD_FOR = 60.0
"""Seconds for which what the database said last is taken for the truth."""

_LONGEST_REST = 5.0

ANSWERS = (DuplicateOperation, StaleLease, TwinInDoubt, BudgetExceeded, ApprovalNotGiven)
"""What a database that works may say."""

T = TypeVar("T")


class Reach:
    """Calls the database, and remembers how that went.

    Only writes count as having heard from it: a process that has just been started, perhaps for a
    bot that died and asks again, has read at the most. An attempt that took long to fail is not
    repeated for as long again, so that callers spend no more than half of an outage waiting.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heard: float | None = None
        self._away: Away | None = None
        self._rests_until = 0.0

    def heard_lately(self) -> bool:
        """Say whether this process knew a moment ago how things stood."""
        return self._heard is not None and self._clock.elapsed() - self._heard < GOOD_FOR

    def writing(self, call: Callable[[], T]) -> T:
        """Call; Away if the database cannot be written."""
        try:
            result = self.reading(call)
        except ANSWERS:
            self._hear()
            raise
        self._hear()
        return result

    def reading(self, call: Callable[[], T]) -> T:
        """Call; Away if the database cannot be read."""
        began = self._clock.elapsed()
        if self._away is not None and began < self._rests_until:
            raise Away(str(self._away))
        try:
            return call()
        except Away as away:
            failed = self._clock.elapsed()
            self._away = away
            self._rests_until = failed + min(failed - began, _LONGEST_REST)
            raise

    def _hear(self) -> None:
        self._heard, self._away = self._clock.elapsed(), None
