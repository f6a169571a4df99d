"""The worker: leases, attempts, dead letters, the host's handlers; crashes at every boundary."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stripe_billing_router.errors import InvalidRequestError, LedgerUnavailableError
from stripe_billing_router.models import InboxState
from stripe_billing_router.ports import CommitAmbiguous, StaleLease
from stripe_billing_router.store import SqlStore
from stripe_billing_router.store.database import Away, Database
from stripe_billing_router.webhooks import WebhookEvent, Webhooks, handlers, working
from stripe_billing_router.webhooks import on as on_any_router
from stripe_billing_router.webhooks.owners import Owners
from tests.integration.webhooks import histories
from tests.integration.webhooks.orders import Replay
from tests.integration.webhooks.webhooks_bench import BOT, WebhooksBench

PAID = "payment_intent.succeeded"


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Handlers of the whole process, forgotten afterwards."""
    monkeypatch.setattr(handlers.SHARED, "_known", {})


def waiting(bench: WebhooksBench) -> Any:
    """A payment by bank debit that the bank has made; only its last event is delivered."""
    method = bench.world.add_payment_method(customer="cus_one", outcome="processing")
    paid = bench.router.charge(BOT, 5, payment_method_id=method)
    bench.world.settle_processing(paid.id)
    bench.deliver(PAID)
    return paid


def booked(bench: WebhooksBench) -> int:
    return sum(entry.amount_minor or 0 for entry in bench.entries())


# -- the host's handlers ---------------------------------------------------------------------------


def test_a_handler_gets_the_event_after_the_router_has_applied_it(bench: WebhooksBench) -> None:
    told: list[tuple[WebhookEvent, str]] = []

    @bench.webhooks.on(PAID)
    def credit(event: WebhookEvent) -> None:
        told.append((event, str(bench.operation(event.operation_id).state)))

    paid = waiting(bench)
    bench.work()
    ((event, state),) = told
    assert (event.type, event.object["id"], event.superseded) == (PAID, paid.id, False)
    assert (event.operation_id, state) == (paid.operation_id, "succeeded")
    assert event.body["object"] == "event"


def test_a_handlers_long_error_holds_the_worker_up_no_longer_than_a_short_one(
    bench: WebhooksBench,
) -> None:
    @bench.webhooks.on(PAID)
    def fails(event: WebhookEvent) -> None:
        raise RuntimeError("someone@example.org " + 100_000 * "a")

    waiting(bench)
    began = time.process_time()
    bench.work()
    assert time.process_time() - began < 5
    (event,) = [e for e in bench.webhooks.events() if e.type == PAID]
    assert event.error is not None
    assert event.error.startswith("RuntimeError: [e-mail] aaaa")
    assert len(event.error) == 500


def test_a_handler_that_raises_has_the_event_tried_again_without_applying_it_twice(
    any_bench: WebhooksBench,
) -> None:
    bench, calls = any_bench, []

    @bench.webhooks.on(PAID)
    def first(event: WebhookEvent) -> None:
        calls.append("first")

    @bench.webhooks.on(PAID)
    def second(event: WebhookEvent) -> None:
        calls.append("second")
        if calls.count("second") < 3:
            raise RuntimeError("the host's database is away")

    paid = waiting(bench)
    assert bench.work().failed == 1
    (event,) = bench.webhooks.events()
    assert (event.state, event.applied) == (InboxState.FAILED, InboxState.PROCESSED)
    assert event.error == "RuntimeError: the host's database is away"
    assert bench.operation(paid.operation_id).state == "succeeded"
    if any_bench.router.store._sql._database().dialect.one_writer:
        bench.drain()
    else:
        for _ in range(2):
            bench.webhooks.replay(event.event_id)
            bench.work()
    assert calls == ["first", "second"] * 3
    assert booked(bench) == 500
    assert bench.webhooks.events()[0].state is InboxState.PROCESSED


def test_a_crediting_that_fails_is_never_forgotten(bench: WebhooksBench) -> None:
    """It is tried for a day, then a dead letter that people see and can replay."""
    broken = True

    @bench.webhooks.on(PAID)
    def credit(event: WebhookEvent) -> None:
        if broken:
            raise RuntimeError("no")

    waiting(bench)
    bench.drain(rounds=100)
    (event,) = bench.webhooks.events(states=[InboxState.DEAD])
    assert event.attempts == working.MOST_ATTEMPTS
    assert bench.ears.names().count("webhook.dead_letter") == 1
    broken = False
    bench.webhooks.replay(event.event_id)
    assert bench.work().processed == 1
    assert booked(bench) == 500


@pytest.mark.usefixtures("shared")
def test_handlers_of_the_process_and_of_everything_run_too(bench: WebhooksBench) -> None:
    calls: Counter[str] = Counter()
    bench.webhooks.on("*")(lambda event: calls.update(["everything"]))
    on_any_router(PAID, "charge.succeeded")(lambda event: calls.update(["any router"]))
    bench.webhooks.on("invoice.paid")(lambda event: calls.update(["another type"]))
    waiting(bench)
    bench.work()
    assert calls == {"everything": 1, "any router": 1}


def test_handlers_are_told_what_is_superseded(bench: WebhooksBench) -> None:
    told = []
    bench.webhooks.on("payment_intent.processing")(lambda event: told.append(event.superseded))
    waiting(bench)
    bench.work()
    bench.deliver()
    bench.work()
    assert told == [True]


def test_what_an_event_came_to_is_settled_once(bench: WebhooksBench) -> None:
    """Its handler fails; meanwhile something newer is applied; it was not superseded for that."""
    told: list[bool] = []

    @bench.webhooks.on("payment_intent.processing")
    def first(event: WebhookEvent) -> None:
        told.append(event.superseded)
        if len(told) == 1:
            raise RuntimeError

    histories.customer_tries_thrice(bench)
    bench.deliver("payment_intent.processing")
    assert bench.work().failed == 1
    bench.deliver("payment_intent.succeeded")
    bench.drain()
    assert told == [False, False]
    assert bench.states() == {"processed": 2}


@pytest.mark.parametrize("types", [(), (print,)])
def test_a_handler_needs_a_type(bench: WebhooksBench, types: Any) -> None:
    with pytest.raises(InvalidRequestError):
        bench.webhooks.on(*types)


# -- leases and attempts ---------------------------------------------------------------------------


def test_waits_grow_to_an_hour_and_never_beyond() -> None:
    waits = [working.backoff_ms(attempt) for attempt in range(1, 31)]
    assert 1_600 <= waits[0] <= 2_000
    assert all(wait <= 3_600_000 for wait in waits)
    assert min(waits[12:]) >= 2_880_000
    assert 12 * 3_600_000 < sum(waits) < 24 * 3_600_000


def test_a_taken_event_is_out_of_reach_until_its_lease_ends(bench: WebhooksBench) -> None:
    waiting(bench)
    (event,) = bench.router.store.inbox.take(10, "dead worker", 60_000)
    assert bench.work().total == 0
    assert bench.redeliver(event.event_id).duplicate
    assert bench.work().total == 0
    bench.world.advance(61)
    assert bench.work().processed == 1
    assert booked(bench) == 500


def test_a_worker_that_lost_its_lease_changes_nothing(bench: WebhooksBench) -> None:
    """It is suspended, another one takes over and finishes, then it wakes up."""
    waiting(bench)
    other = Webhooks(bench.router)
    calls = []

    @bench.webhooks.on(PAID)
    def suspended(event: WebhookEvent) -> None:
        calls.append(event.id)
        if len(calls) == 1:
            bench.world.advance(61)
            assert other.process_pending().processed == 1

    done = bench.work()
    assert (done.processed, done.left) == (0, 1)
    assert booked(bench) == 500
    assert bench.webhooks.events()[0].state is InboxState.PROCESSED


def test_an_event_that_kills_its_workers_is_given_up(
    bench: WebhooksBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "MOST_ATTEMPTS", 3)

    class Killed(BaseException):
        pass

    @bench.webhooks.on(PAID)
    def poison(event: WebhookEvent) -> None:
        raise Killed

    waiting(bench)
    for _ in range(3):
        with pytest.raises(Killed):
            bench.work()
        bench.world.advance(61)
    assert bench.work().dead == 1
    assert bench.webhooks.events()[0].error == "its worker died at every attempt"


@pytest.mark.parametrize("error", [ValueError, LedgerUnavailableError, StaleLease])
def test_one_event_that_fails_stops_no_other(bench: WebhooksBench, error: type[Exception]) -> None:
    for _ in range(3):
        waiting(bench)
    failing = bench.webhooks.events()[1].event_id

    @bench.webhooks.on(PAID)
    def credit(event: WebhookEvent) -> None:
        if event.id == failing:
            raise error("the host's own")

    done = bench.work()
    assert (done.processed, done.failed) == (2, 1)


def test_no_more_than_the_limit_is_worked_on(bench: WebhooksBench) -> None:
    for _ in range(3):
        waiting(bench)
    assert bench.webhooks.process_pending(2).total == 2
    assert bench.webhooks.process_pending(2).total == 1
    with pytest.raises(InvalidRequestError):
        bench.webhooks.process_pending(0)


def test_a_slow_batch_is_given_back_before_its_lease_ends(bench: WebhooksBench) -> None:
    for _ in range(3):
        waiting(bench)
    bench.webhooks.on(PAID)(lambda event: bench.world.advance(31))
    assert bench.webhooks.process_pending(3).left == 2
    assert sorted(event.attempts for event in bench.webhooks.events()) == [0, 0, 1]
    assert bench.work().total > 0


def test_a_database_that_is_away_is_told_and_nothing_goes_to_the_journal(
    bench: WebhooksBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event stays in the inbox, so there is nothing that the journal would have to keep."""
    waiting(bench)

    def away(*_: Any) -> None:
        raise Away("gone")

    monkeypatch.setattr(SqlStore, "commit", away)
    with pytest.raises(LedgerUnavailableError):
        bench.work()
    monkeypatch.undo()
    assert not list(bench.folder.rglob("*.jsonl"))
    bench.world.advance(61)
    assert bench.work().processed == 1
    assert booked(bench) == 500


def test_two_events_of_one_object_at_the_same_moment_do_not_pass_each_other(
    any_bench: WebhooksBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another worker enters a fact of the refund after this one has read what is known of it."""
    bench = any_bench
    paid = bench.router.charge(BOT, 5)
    refund = bench.dashboard.v1.refunds.create({"payment_intent": paid.id, "amount": 200})
    bench.world.fail_refund(refund.id)
    bench.deliver("refund.failed")
    calls: list[Any] = []
    other, of = Webhooks(bench.router), Owners.of

    def meanwhile(owners: Owners, obj: Any) -> Any:
        if not calls:
            calls.append(obj)
            bench.deliver("refund.created")
            assert other.process_pending().processed == 1
        return of(owners, obj)

    monkeypatch.setattr(Owners, "of", meanwhile)
    monkeypatch.setattr(working, "backoff_ms", lambda attempts: 0)
    assert bench.webhooks.process_pending(1).waiting == 1
    assert bench.webhooks.process_pending(1).processed == 1
    assert bench.sums()[("anomaly", BOT)] == 0


@pytest.mark.parametrize("late", ["withdrawn", "reinstated"])
def test_no_fact_of_an_object_is_forgotten_over_another(
    bench: WebhooksBench, monkeypatch: pytest.MonkeyPatch, late: str
) -> None:
    dispute = bench.world.open_dispute(bench.charge_of(bench.router.charge(BOT, 5).id))
    bench.world.close_dispute(dispute, won=True)
    bench.deliver("charge.dispute.created")
    bench.work()
    early = {"withdrawn": "reinstated", "reinstated": "withdrawn"}[late]
    bench.deliver(f"charge.dispute.funds_{early}")
    of, calls = Owners.of, [early]

    def meanwhile(owners: Owners, obj: Any) -> Any:
        if calls:
            calls.clear()
            bench.deliver(f"charge.dispute.funds_{late}")
            Webhooks(bench.router).process_pending()
        return of(owners, obj)

    monkeypatch.setattr(Owners, "of", meanwhile)
    bench.drain()
    assert bench.router.store.inbox.facts(dispute) == {"opened", "withdrawn", "reinstated"}
    assert bench.sums()[("anomaly", BOT)] == 0


@pytest.mark.parametrize("history", histories.HISTORIES, ids=lambda history: history.__name__)
def test_every_entry_is_in_the_transaction_that_says_that_its_event_is_applied(
    bench: WebhooksBench, monkeypatch: pytest.MonkeyPatch, history: histories.History
) -> None:
    history(bench)
    commits: list[list[str]] = []
    commit = SqlStore.commit

    def seen(store: SqlStore, *writes: Any) -> None:
        commits.append([type(write).__name__ for write in writes])
        commit(store, *writes)

    monkeypatch.setattr(SqlStore, "commit", seen)
    bench.deliver()
    bench.drain()
    entering = [names for names in commits if "AppendEntry" in names]
    assert entering
    for names in entering:
        assert names.count("AppendEntry") == 1
        assert names.count("MarkProcessed") == 1
        assert ("CloseOperation" in names) != ("NoteFact" in names)


# -- crashes ---------------------------------------------------------------------------------------


class Crash(BaseException):
    """The process ends here."""


class Commits:
    """Ends the process before or after the n-th transaction; or breaks off in its commit."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._transact = Database.transact
        self._at: tuple[int, str] | None = None
        self.count = 0
        monkeypatch.setattr(Database, "transact", self._counted())

    def crash(self, at: int, when: str) -> None:
        self.count, self._at = 0, (at, when)

    def _counted(self) -> Callable[..., None]:
        def transact(database: Database, work: Callable[..., None]) -> None:
            self.count += 1
            here = (self.count, "before"), (self.count, "after"), (self.count, "ambiguous")
            if self._at == here[0]:
                raise Crash
            self._transact(database, work)
            if self._at == here[1]:
                raise Crash
            if self._at == here[2]:
                raise CommitAmbiguous("the connection broke")

        return transact


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> Commits:
    return Commits(monkeypatch)


CRASHES = [histories.bank_pays, histories.refund_in_doubt_that_comes_back]


@pytest.mark.parametrize("when", ["before", "after", "ambiguous"])
@pytest.mark.parametrize("history", CRASHES, ids=lambda history: history.__name__)
def test_a_crash_at_any_boundary_loses_nothing_and_applies_nothing_twice(
    tmp_path: Path, commits: Commits, history: histories.History, when: str
) -> None:
    replay = Replay(tmp_path, history)
    calls: Counter[str] = Counter()
    replay.bench.webhooks.on("*")(lambda event: calls.update([event.id]))
    expected = replay.in_order()
    for at in range(1, 1000):
        calls.clear()
        replay.put_back()
        for event_id in replay.events:
            replay.bench.redeliver(event_id)
        crashed = _crashed(replay.bench, commits, at, when)
        assert replay.end() == expected, at
        assert set(calls) == set(replay.events), at
        if not crashed:
            break
    assert at > 2 * len(replay.events)
    assert replay.bench.router.ledger.verify().ok
    replay.close()


def _crashed(bench: WebhooksBench, commits: Commits, at: int, when: str) -> bool:
    """Work until the process ends, and wait until its leases have run out."""
    commits.crash(at, when)
    try:
        while bench.webhooks.process_pending(2).total:
            pass
    except Crash:
        pass
    crashed = commits.count >= at
    commits.crash(0, "never")
    bench.world.advance(61)
    return crashed


def test_workers_of_one_process_share_the_inbox(any_bench: WebhooksBench) -> None:
    bench = any_bench
    calls: Counter[str] = Counter()
    bench.webhooks.on("*")(lambda event: calls.update([event.id]))
    for _ in range(5):
        bench.router.charge(BOT, 5)
    histories.bank_pays(bench)
    bench.deliver()
    number = sum(bench.states().values())

    def drain() -> None:
        while bench.webhooks.process_pending(3).total:
            pass

    threads = [threading.Thread(target=drain) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    bench.drain()
    assert set(calls.values()) == {1}
    assert len(calls) == number
    assert booked(bench) == 6 * 500


# -- what was never delivered ----------------------------------------------------------------------


def test_backfill_stores_what_was_never_delivered(bench: WebhooksBench) -> None:
    paid = waiting(bench)
    since = bench.world.clock.now() - 3600
    found = bench.webhooks.backfill(since)
    assert found.known == 1
    assert found.new > 3
    assert found.refused == 0
    bench.drain()
    assert bench.operation(paid.operation_id).state == "succeeded"
    again = bench.webhooks.backfill(since)
    assert (again.new, again.known) == (0, found.new + 1)
    assert booked(bench) == 500


def test_backfill_reads_every_page_and_refuses_others_events(bench: WebhooksBench) -> None:
    for _ in range(40):
        bench.router.charge(BOT, 5)
    with bench.world._lock:
        event = next(iter(bench.world.state().all("event")))
        event["account"] = "acct_somebody0else"
    found = bench.webhooks.backfill(0)
    assert found.refused == 1
    assert found.new == len(bench.events()) - 1 > 100
    assert bench.ears.reactions[0].kind == "event_account"


@pytest.mark.parametrize("since", ["yesterday", None, 1.5, True, 2**70])
def test_backfill_needs_a_time(bench: WebhooksBench, since: Any) -> None:
    with pytest.raises(InvalidRequestError):
        bench.webhooks.backfill(since)
