"""Times in one shape, and windows that leave nothing out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripe_billing_router.errors import InvalidRequestError
from stripe_billing_router.stripe_watchdog.moments import iso, moment_ms
from stripe_billing_router.stripe_watchdog.register import CutOff, Memory
from stripe_billing_router.stripe_watchdog.window import FIRST_RUN_MS, choose

NOW = 1_795_000_000_000
TIMES = st.integers(min_value=0, max_value=253_402_300_799_999)


@given(TIMES, TIMES)
def test_texts_sort_as_times_do_and_are_read_back(one: int, two: int) -> None:
    assert (iso(one) < iso(two)) == (one < two)
    assert moment_ms(iso(one), NOW) == one
    assert len(iso(one)) == 24


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90m", NOW - 5_400_000),
        (" 7d ", NOW - 604_800_000),
        ("2026-11-18", 1_794_960_000_000),
        ("1794960000", 1_794_960_000_000),
        (" 1794960000.25 ", 1_794_960_000_250),
        ("20261118", 1_794_960_000_000),
        ("2026-11-18T12:30", 1_795_005_000_000),
        ("2026-11-18T12:30:00+02:00", 1_794_997_800_000),
    ],
)
def test_what_people_write_as_a_time(text: str, expected: int) -> None:
    assert moment_ms(text, NOW) == expected


@pytest.mark.parametrize(
    "text", ["", "yesterday", "7", "7y", "-1d", "2026-13-01", "1969-12-31", "٣d"]
)
def test_what_is_no_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidRequestError, match="36h"):
        moment_ms(text, NOW)


def chosen(memory: Memory, since_ms: int | None = None) -> tuple[int, bool]:
    found = choose(since_ms=since_ms, until_ms=None, now_ms=NOW, memory=memory, overlap_ms=1000)
    return found.since_ms, found.moves_marker


def test_where_a_run_begins() -> None:
    cut_off = CutOff(NOW - 10, NOW - 99_999)
    assert chosen(Memory(None, {})) == (NOW - FIRST_RUN_MS, True)
    assert chosen(Memory(NOW - 5000, {})) == (NOW - 6000, True)
    assert chosen(Memory(NOW - 5000, {}, cut_off)) == (NOW - 6000, True)
    assert chosen(Memory(None, {}, cut_off)) == (NOW - 99_999, True)
    assert chosen(Memory(NOW + 5000, {})) == (NOW - 1000, True), "the clock went back"


def test_the_marker_stays_where_a_gap_would_be_left() -> None:
    memory = Memory(NOW - 5000, {})
    assert chosen(memory, NOW - 5000) == (NOW - 5000, True)
    assert chosen(memory, NOW - 4999) == (NOW - 4999, False)
