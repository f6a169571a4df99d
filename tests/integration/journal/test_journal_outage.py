"""The database is away: what goes on, what is refused, and that all of it is there afterwards."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import Any

import pytest

from stripe_billing_router.errors import (
    LedgerUnavailableError,
    OutcomeUnknownError,
    PaymentDeclinedError,
)
from stripe_billing_router.models import OperationState, RecoveryReport
from stripe_billing_router.ports import CommitAmbiguous
from stripe_billing_router.store import SqlStore
from stripe_billing_router.store.journal import JournalFile
from stripe_billing_router.store.journal.drain import LineOutcome
from tests.integration.charge.charge_bench import BOT, CARD, LEASE, Bench, Died, Wire
from tests.integration.journal.journal_bench import Heard, Outage, journal_of, kinds_of


def test_keyless_charges_go_on_and_are_all_there_afterwards(bench: Bench, outage: Outage) -> None:
    heard = Heard()
    router = bench.warm(observers=[heard])
    outage.begin()
    done = [router.charge(BOT, amount) for amount in (5, 6, 7)]
    assert all(one.paid for one in done)
    assert heard.names() == ["ledger.journaled"]
    outage.end()
    assert bench.operations() == []
    assert router.charge(BOT, 8).paid
    assert bench.moved() == bench.booked(router) == [500, 600, 700, 800]
    assert bench.states() == ["succeeded"] * 4
    assert heard.names() == ["ledger.journaled", "ledger.drained"]
    assert router.ledger.verify().ok


def test_the_times_are_those_of_the_outage(bench: Bench, outage: Outage) -> None:
    router = bench.warm()
    outage.begin()
    asked_ms = bench.world.clock.now_ms()
    router.charge(BOT, 5)
    bench.world.advance(3600)
    outage.end()
    assert router.store.drain().drained == 2
    (row,) = bench.operations()
    assert abs(row["created_ms"] - asked_ms) < 5000
    assert abs(row["started_ms"] - asked_ms) < 5000
    *_, entry = router.ledger.entries()
    assert abs(entry.timestamp_ms - asked_ms) < 5000
    assert router.store.drain().drained == 0


def test_a_keyed_charge_is_refused_and_reaches_nobody(bench: Bench, outage: Outage) -> None:
    router = bench.warm()
    outage.begin()
    with pytest.raises(LedgerUnavailableError) as told:
        router.charge(BOT, 5, idempotency_key="k")
    assert told.value.money == "not_moved"
    assert type(told.value) is LedgerUnavailableError
    assert not bench.world.requests
    assert not journal_of(bench).exists()


def test_a_process_that_has_not_heard_from_the_database_begins_nothing(
    bench: Bench, outage: Outage
) -> None:
    bench.warm()
    outage.begin()
    restarted = bench.router()
    with pytest.raises(LedgerUnavailableError):
        restarted.charge(BOT, 5)
    assert bench.sent() == []


def test_a_process_that_has_only_read_the_database_begins_nothing(
    bench: Bench, outage: Outage
) -> None:
    bench.warm()
    restarted = bench.router()
    assert restarted.store.operations()
    outage.begin()
    with pytest.raises(LedgerUnavailableError):
        restarted.charge(BOT, 5)
    assert bench.sent() == []


def test_after_a_minute_nothing_new_is_begun(bench: Bench, outage: Outage) -> None:
    router = bench.warm()
    outage.begin()
    bench.world.advance(59)
    assert router.charge(BOT, 5).paid
    bench.world.advance(2)
    with pytest.raises(LedgerUnavailableError):
        router.charge(BOT, 6)
    assert bench.moved() == [500]
    outage.end()
    assert router.charge(BOT, 6).paid
    assert bench.booked(router) == [500, 600]


def test_an_outcome_is_journaled_whatever_the_intent_s_key(bench: Bench, outage: Outage) -> None:
    heard = Heard()
    router = bench.warm(
        http_client=Wire(bench.world, before=_during(bench, outage.begin)), observers=[heard]
    )
    done = router.charge(BOT, 5, idempotency_key="k")
    assert done.paid
    assert "operation.unrecorded" not in heard.names("operation.")
    assert kinds_of(journal_of(bench)) == ["header", "CloseOperation+AppendEntry"]
    outage.end()
    assert router.charge(BOT, 5, idempotency_key="k").id == done.id
    assert bench.moved() == bench.booked(router) == [500]
    assert bench.states() == ["succeeded"]


def test_a_decline_is_wound_up_and_recorded_without_the_database(
    bench: Bench, outage: Outage
) -> None:
    router = bench.warm(http_client=Wire(bench.world, before=_during(bench, outage.begin)))
    bench.world.set_outcome(CARD, "declined:lost_card")
    with pytest.raises(PaymentDeclinedError):
        router.charge(BOT, 5)
    assert bench.world.objects("payment_intent")[-1]["status"] == "canceled"
    outage.end()
    router.recover_operations()
    assert bench.states() == ["failed"]
    assert bench.moved() == []


@pytest.mark.parametrize("begun", ["in-the-database", "in-the-journal"])
def test_an_equal_keyless_charge_in_doubt_is_refused(
    bench: Bench, outage: Outage, begun: str
) -> None:
    router = bench.warm(http_client=Wire(bench.world, before=_during(bench, outage.begin)))
    if begun == "in-the-journal":
        outage.begin()
    bench.fault("cut", effect=True, times=None)
    with pytest.raises(OutcomeUnknownError):
        router.charge(BOT, 5)
    bench.world.faults.clear()
    with pytest.raises(OutcomeUnknownError):
        router.charge(BOT, 5)
    assert bench.moved() == [500]
    outage.end()
    with pytest.raises(OutcomeUnknownError):
        router.charge(BOT, 5)
    bench.world.advance(LEASE)
    router.recover_operations()
    assert bench.moved() == bench.booked(router) == [500]
    assert bench.states() == ["succeeded"]


def test_what_the_database_has_refused_is_refused_while_it_is_away(
    bench: Bench, outage: Outage
) -> None:
    """The doubt is another process's; this one was told of it a moment before the outage."""
    bench.fault("cut", effect=True, times=None)
    with pytest.raises(OutcomeUnknownError):
        bench.router(ledger_fallback=bench.folder / "another.jsonl").charge(BOT, 5)
    bench.world.faults.clear()
    router = bench.warm()
    for _ in range(2):
        with pytest.raises(OutcomeUnknownError):
            router.charge(BOT, 5)
        outage.begin()
    assert bench.moved() == [500]


def test_another_process_knows_of_the_doubt_by_the_journal(bench: Bench, outage: Outage) -> None:
    router, other = bench.warm(), bench.router()
    other.charge(BOT, "1.00", idempotency_key="warming up too")
    outage.begin()
    bench.fault("cut", effect=True, times=None)
    with pytest.raises(OutcomeUnknownError):
        router.charge(BOT, 5)
    bench.world.faults.clear()
    with pytest.raises(OutcomeUnknownError):
        other.charge(BOT, 5)
    assert bench.moved() == [500]


@pytest.mark.parametrize("begins", ["before-it-is-recorded", "afterwards"])
def test_an_equal_call_is_not_paid_again_once_recovery_has_found_the_first(
    bench: Bench, outage: Outage, begins: str
) -> None:
    """The bot died before it was told, and asks again in the process that has recovered it."""
    bench.fault("cut", skip=1, effect=True, times=None)
    with pytest.raises(OutcomeUnknownError):
        bench.warm().charge(BOT, 5)
    bench.world.faults.clear()
    early = begins == "before-it-is-recorded"

    def looked_up(method: str, url: str) -> None:
        if early and method == "GET" and "created" in url:
            outage.begin()

    other = bench.router(http_client=Wire(bench.world, after=looked_up))
    other.charge(BOT, "1.00", idempotency_key="warming up too")
    with suppress(LedgerUnavailableError):
        other.recover_operations()
    outage.begin()
    # Whose payment it is cannot be asked while the database is away: what was found stays in doubt.
    assert ("CloseOperation" in _journaled(bench)) is early
    with pytest.raises(OutcomeUnknownError):
        other.charge(BOT, 5)
    assert other.charge(BOT, 6).paid
    outage.end()
    with pytest.raises(OutcomeUnknownError):
        other.charge(BOT, 5)
    bench.router().recover_operations()
    assert sorted(bench.moved()) == sorted(bench.booked(other)) == [500, 600]


def test_two_equal_keyless_charges_are_two_payments(bench: Bench, outage: Outage) -> None:
    router = bench.warm()
    outage.begin()
    assert router.charge(BOT, 5).id != router.charge(BOT, 5).id
    outage.end()
    router.recover_operations()
    assert bench.moved() == bench.booked(router) == [500, 500]


def test_a_waiting_payment_can_be_taken_back_without_the_database(
    bench: Bench, outage: Outage
) -> None:
    router = bench.warm()
    outage.begin()
    waits = router.charge(BOT, 5, on_session=True)
    assert router.cancel(str(waits.operation_id)).state == OperationState.CANCELED
    outage.end()
    router.recover_operations()
    assert bench.states() == ["canceled"]


def test_a_lease_that_only_the_journal_knows_is_renewed(bench: Bench, outage: Outage) -> None:
    router = bench.warm()
    outage.begin()
    bench.fault("timeout", effect=True, times=1, seconds=55.0)
    assert router.charge(BOT, 5).paid
    assert "TakeLease" in kinds_of(journal_of(bench))
    outage.end()
    router.recover_operations()
    assert bench.moved() == bench.booked(router) == [500]


def test_a_lease_that_the_database_knows_is_not_renewed_by_the_journal(
    bench: Bench, outage: Outage
) -> None:
    """Another process may have taken it over: nobody can know."""
    router = bench.warm(http_client=Wire(bench.world, before=_during(bench, outage.begin)))
    bench.fault("timeout", effect=True, times=1, seconds=55.0)
    with pytest.raises(OutcomeUnknownError):
        router.charge(BOT, 5)
    assert "TakeLease" not in kinds_of(journal_of(bench))
    outage.end()
    bench.world.advance(LEASE)
    router.recover_operations()
    assert bench.moved() == bench.booked(router) == [500]


def test_who_still_sends_while_its_intent_is_drained_keeps_its_lease(
    bench: Bench, outage: Outage
) -> None:
    other = bench.warm()
    reports: list[RecoveryReport] = []

    def drained_and_recovered(method: str, url: str) -> None:
        if method == "POST" and not reports:
            outage.end()
            reports.append(other.recover_operations())

    router = bench.router(http_client=Wire(bench.world, after=drained_and_recovered))
    router.charge(BOT, "1.00", idempotency_key="warming up too")
    reports.clear()
    outage.begin()
    assert router.charge(BOT, 5).paid
    assert len(reports[0].left) == 1
    assert bench.moved() == bench.booked(router) == [500]
    assert bench.states() == ["succeeded"] * 2


def test_what_recovery_has_settled_meanwhile_is_not_recorded_twice(
    bench: Bench, outage: Outage
) -> None:
    """The journal's outcome comes late: another process has found the payment by itself."""
    heard = Heard()
    router = bench.warm(http_client=Wire(bench.world, before=_during(bench, outage.begin)))
    router.charge(BOT, 5)
    outage.end()
    other = bench.router(ledger_fallback=bench.folder / "another.jsonl", observers=[heard])
    bench.world.advance(LEASE)
    assert other.recover_operations().recorded
    report = router.store.drain()
    assert (report.drained, len(report.superseded)) == (1, 1)
    assert bench.moved() == bench.booked(router) == [500]


def test_what_was_given_up_and_happened_all_the_same_is_recorded(
    bench: Bench, outage: Outage
) -> None:
    heard = Heard()
    router = bench.warm(
        http_client=Wire(bench.world, before=_during(bench, outage.begin)), observers=[heard]
    )
    router.charge(BOT, 5)
    outage.end()
    _give_up(bench)
    report = router.store.drain()
    assert len(report.proven) == 1
    assert "operation.proven" in heard.names("operation.")
    assert bench.moved() == bench.booked(router) == [500]
    assert bench.states() == ["succeeded"]


def test_the_journal_is_nobody_else_s_to_read_and_holds_no_secrets(
    bench: Bench, outage: Outage
) -> None:
    router = bench.warm()
    outage.begin()
    router.charge(BOT, 5, on_session=True)
    path = journal_of(bench)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text()
    assert "_secret_" not in text
    assert "sk_live" not in text


def test_currencies_are_asked_of_stripe_while_the_ledger_is_away(
    bench: Bench, outage: Outage
) -> None:
    router = bench.warm()
    paid = router.charge("finance:yen", 1000)
    outage.begin()
    assert router.refund("finance:yen", paid.id, amount=400).amount_minor == 400
    outage.end()
    router.recover_operations()
    assert bench.states() == ["succeeded"] * 2


def test_an_outcome_waits_in_the_journal_for_its_intent_that_cannot_be_drained_yet(
    bench: Bench, outage: Outage, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = Heard()
    router, other = bench.warm(observers=[heard]), bench.router()

    def timed_out(*_: object, **__: object) -> LineOutcome:
        raise LedgerUnavailableError("canceling statement due to statement timeout. Look.")

    def back_but_slow() -> None:
        outage.end()
        with pytest.raises(LedgerUnavailableError):
            other.store.drain()

    outage.begin()
    with monkeypatch.context() as slow:
        slow.setattr(SqlStore, "drain", timed_out)
        bench.fault("call", effect=True, call=back_but_slow)
        assert router.charge(BOT, 5).paid
    assert heard.names("operation.") == ["operation.closed"] * 2
    assert router.store.drain().drained == 2
    assert bench.moved() == bench.booked(router) == [500]
    assert bench.states() == ["succeeded"]


@pytest.mark.parametrize("kept", [True, False], ids=["committed", "not-committed"])
def test_a_drain_that_breaks_off_is_an_outage_and_is_taken_up_again(
    bench: Bench, outage: Outage, monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    router = bench.warm()
    outage.begin()
    assert router.charge(BOT, 5).paid
    outage.end()
    really = SqlStore.drain

    def drain(store: SqlStore, *arguments: Any, **named: Any) -> LineOutcome:
        if kept:
            really(store, *arguments, **named)
        raise CommitAmbiguous("the connection broke during COMMIT")

    with monkeypatch.context() as breaking:
        breaking.setattr(SqlStore, "drain", drain)
        with pytest.raises(LedgerUnavailableError) as told:
            router.charge(BOT, 6, idempotency_key="k")
        assert told.value.money == "not_moved"
        assert router.charge(BOT, 7).paid
    router.recover_operations()
    assert bench.moved() == bench.booked(router) == [500, 700]
    assert bench.states() == ["succeeded"] * 2


def _during(bench: Bench, then: Callable[[], None]) -> Callable[[str, str], None]:
    """Call `then` at the first POST after the router has warmed up."""
    posts = []

    def before(method: str, url: str) -> None:
        if method == "POST":
            posts.append(url)
            if len(posts) == 2:
                then()

    return before


def _journaled(bench: Bench) -> list[str]:
    path = journal_of(bench)
    return kinds_of(path) if path.exists() else []


def _give_up(bench: Bench) -> None:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(bench.database)) as direct, direct:
        direct.execute(
            "UPDATE stripe_operations SET state = 'abandoned', lease_token = NULL "
            "WHERE state = 'pending'"
        )


def test_a_drain_of_nothing_is_no_word_from_the_database(bench: Bench, outage: Outage) -> None:
    bench.warm()
    outage.begin()
    restarted = bench.router()
    assert restarted.store.drain().drained == 0
    with pytest.raises(LedgerUnavailableError):
        restarted.charge(BOT, 5)
    assert bench.sent() == []


def test_threads_and_forks_share_one_journal(bench: Bench, outage: Outage) -> None:
    router = bench.warm()
    outage.begin()
    charges = [Thread(target=router.charge, args=(BOT, amount)) for amount in range(10, 18)]
    for charge in charges:
        charge.start()
    child = os.fork()
    if child == 0:
        left = 1
        with suppress(BaseException):
            router.charge(BOT, 5)
            left = 0
        os._exit(left)
    for charge in charges:
        charge.join()
    assert os.waitpid(child, 0)[1] == 0
    outage.end()
    router.recover_operations()
    assert sorted(bench.booked(router)) == [500, *(100 * amount for amount in range(10, 18))]
    assert router.ledger.verify().ok


def test_a_call_that_was_interrupted_leaves_the_journal_usable(
    bench: Bench, outage: Outage, monkeypatch: pytest.MonkeyPatch
) -> None:
    router = bench.warm()
    outage.begin()
    assert router.charge(BOT, 5).paid
    for place in ("_take", "_catch_up", "stamp"):
        with monkeypatch.context() as interrupted:
            interrupted.setattr(JournalFile, place, _interrupt)
            with pytest.raises(Died):
                router.charge(BOT, 6)
    assert router.charge(BOT, 7).paid
    outage.end()
    router.recover_operations()
    assert bench.moved() == bench.booked(router) == [500, 700]


def _interrupt(*_: object) -> None:
    raise Died
