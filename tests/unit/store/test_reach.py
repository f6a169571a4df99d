"""How the database is asked again after it has failed."""

from __future__ import annotations

import pytest

from stripe_billing_router.ports import StaleLease
from stripe_billing_router.sandbox import VirtualClock
from stripe_billing_router.store.database import Away
from stripe_billing_router.store.reach import Reach


class Database:
    """Takes its time to answer, or to fail."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.seconds = 0.0
        self.away = False
        self.asked = 0

    def __call__(self) -> str:
        self.asked += 1
        self._clock.advance(self.seconds)
        if self.away:
            raise Away("away")
        return "answer"


def test_a_slow_failure_is_not_repeated_at_once_and_a_quick_one_is() -> None:
    clock = VirtualClock()
    reach, database = Reach(clock), Database(clock)
    database.away = True
    for _ in range(3):
        with pytest.raises(Away):
            reach.reading(database)
    assert database.asked == 3
    database.seconds = 4.0
    for _ in range(3):
        with pytest.raises(Away):
            reach.writing(database)
    assert database.asked == 4
    clock.advance(4.0)
    database.away = False
    assert reach.writing(database) == "answer"


def test_only_writes_are_word_from_the_database_and_only_for_a_minute() -> None:
    clock = VirtualClock()
    reach, database = Reach(clock), Database(clock)
    reach.reading(database)
    assert not reach.heard_lately()
    reach.writing(database)
    clock.advance(59)
    assert reach.heard_lately()
    clock.advance(2)
    assert not reach.heard_lately()


def test_a_refusal_is_an_answer_too() -> None:
    reach = Reach(VirtualClock())

    def refuse() -> None:
        raise StaleLease("op_1")

    with pytest.raises(StaleLease):
        reach.writing(refuse)
    assert reach.heard_lately()
