"""What a call has come to is recorded, however the call itself ends."""

from __future__ import annotations

from typing import Any

import pytest

from stripe_billing_router.client import BillingRouter
from stripe_billing_router.errors import OutcomeUnknownError
from stripe_billing_router.models import CloseOperation
from stripe_billing_router.ports import Event
from stripe_billing_router.store import SqlStore
from tests.integration.charge.charge_bench import BOT, Bench, Commits
from tests.integration.journal.journal_bench import Heard, Outage, journal_of


def recorded(bench: Bench, router: BillingRouter) -> tuple[list[str], list[int]]:
    return bench.states(), bench.booked(router)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_call_that_is_interrupted_at_its_end_leaves_no_doubt(
    bench: Bench, commits: Commits, when: str
) -> None:
    told: list[str] = []

    class Listens:
        def notify(self, event: Event) -> None:
            told.append(event.name)

    router = bench.warm(observers=[Listens()])
    told.clear()
    commits.fail(2, when, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        router.charge(BOT, 5)
    assert recorded(bench, router) == (["succeeded"], [500])
    assert {"operation.unrecorded", "operation.unknown"}.isdisjoint(told)


@pytest.mark.parametrize("when", ["before", "after"])
def test_who_has_not_heard_of_a_payment_because_of_an_interruption_does_not_pay_twice(
    bench: Bench, commits: Commits, when: str
) -> None:
    router = bench.warm()
    commits.fail(2, when, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        router.charge(BOT, 5)
    for asked in (router, bench.router()):
        with pytest.raises(OutcomeUnknownError):
            asked.charge(BOT, 5)
    assert recorded(bench, router) == (["succeeded"], [500])
    assert bench.moved() == [500]


@pytest.mark.parametrize("journaled", [True, False])
def test_an_interruption_and_then_a_ledger_that_is_away_do_not_read_as_nothing_sent(
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    *,
    journaled: bool,
) -> None:
    heard, outage, real = Heard(), Outage(monkeypatch), SqlStore.commit

    def interrupted(store: SqlStore, *writes: Any) -> None:
        if any(isinstance(write, CloseOperation) for write in writes):
            monkeypatch.setattr(SqlStore, "commit", real)
            outage.begin()
            if not journaled:
                journal_of(bench).mkdir(parents=True)
            raise KeyboardInterrupt
        real(store, *writes)

    router = bench.warm(observers=[heard])
    caplog.clear()
    monkeypatch.setattr(SqlStore, "commit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        router.charge(BOT, 5)
    told = next(event for event in heard.events if event.name == "operation.unrecorded")
    assert told.outcome is not None
    assert told.outcome.paid
    assert told.message.startswith("charge succeeded, which is not recorded: ")
    assert "not_moved" not in caplog.text
    outage.end()
    if not journaled:
        journal_of(bench).rmdir()
    for asked in (router, bench.router()):
        with pytest.raises(OutcomeUnknownError):
            asked.charge(BOT, 5)
    assert bench.moved() == [500]


def test_an_observer_that_is_interrupted_leaves_no_doubt(bench: Bench) -> None:
    told: list[str] = []

    class Stops:
        def notify(self, event: Event) -> None:
            told.append(event.name)
            if event.name == "operation.closed":
                raise KeyboardInterrupt

    router = bench.router(observers=[Stops()])
    with pytest.raises(KeyboardInterrupt):
        router.charge(BOT, 5)
    assert recorded(bench, router) == (["succeeded"], [500])
    with pytest.raises(OutcomeUnknownError):
        bench.router().charge(BOT, 5)
    assert told.count("operation.closed") == 1
    assert "operation.unrecorded" not in told


def test_an_answer_that_cannot_be_written_costs_its_body_and_not_the_outcome(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = SqlStore.commit

    def deep(store: SqlStore, *writes: Any) -> None:
        for write in writes:
            entry = getattr(write, "entry", None)
            if entry is not None and entry.raw_event:
                raise RecursionError("maximum recursion depth exceeded")
        real(store, *writes)

    monkeypatch.setattr(SqlStore, "commit", deep)
    router = bench.router()
    assert router.charge(BOT, 5).paid
    assert recorded(bench, router) == (["succeeded"], [500])
