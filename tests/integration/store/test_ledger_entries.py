"""Walking over the ledger's entries."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from stripe_billing_router.engine import SystemClock
from stripe_billing_router.models import AppendEntry, EntryDraft
from stripe_billing_router.store import SqlStore, ledger
from stripe_billing_router.store.dialects import sqlite


def draft(number: int) -> EntryDraft:
    return EntryDraft(
        f"pi_{number}",
        "charge",
        500,
        "usd",
        1,
        None,
        "a:odd" if number % 2 else "a:even",
        "acct_1",
        {},
        False,
        "op_1",
        "succeeded",
    )


@pytest.fixture
def store(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqlStore]:
    monkeypatch.setattr(ledger, "_BATCH", 2)
    made = SqlStore(sqlite_url, SystemClock(), account_id="acct_1", api_base="http://127.0.0.1")
    made.commit(*(AppendEntry(draft(number)) for number in range(7)))
    yield made
    made.close()


@pytest.mark.parametrize("limit", [None, 0, 1, 2, 3, 4, 6, 7, 8])
@pytest.mark.parametrize("after", [0, 3])
def test_entries_come_in_order_and_as_many_as_wanted(
    store: SqlStore, after: int, limit: int | None
) -> None:
    every = [entry.sequence for entry in store.ledger.entries()]
    assert every == sorted(every)
    assert len(every) == 7
    told = [entry.sequence for entry in store.ledger.entries(after=every[0] + after, limit=limit)]
    assert told == every[1 + after :][:limit]


def test_entries_of_one_bot_are_all_of_them(store: SqlStore) -> None:
    told = [entry.id for entry in store.ledger.entries(bot_id="a:even")]
    assert told == ["pi_0", "pi_2", "pi_4", "pi_6"]


@pytest.mark.parametrize("after", range(9))
@pytest.mark.parametrize("bot", ["a:even", "a:odd", "a:nobody"])
def test_entries_of_one_bot_go_on_behind_any_entry(store: SqlStore, bot: str, after: int) -> None:
    every = list(store.ledger.entries())
    behind = every[0].sequence + after - 1
    told = [entry.id for entry in store.ledger.entries(bot_id=bot, after=behind)]
    assert told == [e.id for e in every if e.bot_id == bot and e.sequence > behind]


def test_who_stops_at_an_entry_holds_up_no_fork(store: SqlStore) -> None:
    walk = store.ledger.entries()
    next(walk)
    assert not sqlite._IN_USE._visits
