"""The ledger cannot be written: before the payment, nothing is sent; after it, nothing is lost."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sqlite3
import threading
from asyncio import CancelledError
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, event
from sqlalchemy.pool import QueuePool

from stripe_billing_router.client import BillingRouter
from stripe_billing_router.errors import (
    BillingError,
    LedgerUnavailableError,
    OperationInProgressError,
    OutcomeUnknownError,
    PaymentDeclinedError,
)
from stripe_billing_router.models import TakeLease, Write
from stripe_billing_router.ports import CommitAmbiguous, Event
from stripe_billing_router.store import SqlStore
from stripe_billing_router.store.dialects import sqlite
from tests.integration.charge.charge_bench import (
    BOT,
    CARD,
    LEASE,
    ROUTING,
    Bench,
    Commits,
    Died,
    Wire,
)

KEYS = [pytest.param("k", id="keyed"), pytest.param(None, id="keyless")]


def unavailable(bench: Bench, key: str | None, url: str) -> LedgerUnavailableError:
    with pytest.raises(LedgerUnavailableError) as told:
        bench.router(ledger_url=url).charge(BOT, 5, idempotency_key=key)
    assert told.value.money == "not_moved"
    assert bench.sent() == []
    assert bench.moved() == []
    return told.value


@pytest.mark.parametrize("key", KEYS)
def test_a_ledger_that_is_a_folder_sends_nothing(bench: Bench, key: str | None) -> None:
    (bench.folder / "folder.db").mkdir()
    unavailable(bench, key, f"sqlite:///{bench.folder}/folder.db")


@pytest.mark.parametrize("key", KEYS)
def test_a_ledger_that_is_no_database_sends_nothing(bench: Bench, key: str | None) -> None:
    (bench.folder / "text.db").write_text("not a database" * 1000)
    unavailable(bench, key, f"sqlite:///{bench.folder}/text.db")


@pytest.mark.parametrize("key", KEYS)
def test_a_ledger_below_a_file_sends_nothing(bench: Bench, key: str | None) -> None:
    unavailable(bench, key, f"sqlite:///{bench.config}/ledger.db")


@pytest.mark.parametrize("key", KEYS)
def test_a_server_that_does_not_listen_sends_nothing(bench: Bench, key: str | None) -> None:
    unavailable(bench, key, "postgresql+psycopg://nobody@127.0.0.1:1/x?connect_timeout=1")


@contextmanager
def read_only() -> Iterator[None]:
    """Every connection made from now on may only read, as with a read-only file."""

    def forbid(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA query_only=ON")

    event.listen(Engine, "connect", forbid)
    try:
        yield
    finally:
        event.remove(Engine, "connect", forbid)


@pytest.mark.parametrize("key", KEYS)
def test_a_ledger_that_may_only_be_read_sends_nothing(bench: Bench, key: str | None) -> None:
    with read_only():
        unavailable(bench, key, bench.url)
    assert bench.operations() == []


def test_a_ledger_that_comes_back_is_used_again(bench: Bench) -> None:
    away = bench.folder / "away.db"
    router = bench.warm()
    router.close()
    bench.database.rename(away)
    bench.database.mkdir()
    with pytest.raises(LedgerUnavailableError):
        router.charge(BOT, 5, idempotency_key="k")
    bench.database.rmdir()
    away.rename(bench.database)
    assert router.charge(BOT, 5, idempotency_key="k").paid
    assert bench.moved() == bench.booked(router) == [500]


def _delete(ledger: Path) -> None:
    ledger.unlink()


def _replace_by_a_copy(ledger: Path) -> None:
    """As a backup is put back, or a deployment brings a file of its own."""
    copy = ledger.with_name("copy.db")
    shutil.copy(ledger, copy)
    copy.replace(ledger)


def _delete_the_log(ledger: Path) -> None:
    """As somebody does who tidies up, or puts a copy back without knowing of it."""
    for end in ("-wal", "-shm"):
        ledger.with_name(ledger.name + end).unlink()


GONE = pytest.mark.parametrize("goes", [_delete, _replace_by_a_copy, _delete_the_log])


@GONE
@pytest.mark.parametrize("key", KEYS)
def test_a_ledger_that_is_deleted_or_replaced_meanwhile_sends_nothing(
    bench: Bench, key: str | None, goes: Callable[[Path], None]
) -> None:
    router = bench.warm()
    goes(bench.database)
    there = bench.database.exists()
    with pytest.raises(LedgerUnavailableError, match="deleted or replaced") as told:
        router.charge(BOT, 5, idempotency_key=key)
    assert told.value.money == "not_moved"
    assert bench.sent() == bench.moved() == []
    assert bench.database.exists() == there


@GONE
def test_a_ledger_that_goes_while_a_call_waits_for_its_lock_sends_nothing(
    bench: Bench, goes: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    router = bench.warm()
    waits, told = threading.Event(), list[BillingError]()
    begin = sqlite._BEGIN_TO_WRITE.change

    def begins(connection: Connection, given: Mapping[str, object]) -> int:
        waits.set()
        return begin(connection, given)

    def charge() -> None:
        with pytest.raises(LedgerUnavailableError, match="deleted or replaced") as error:
            router.charge(BOT, 5)
        told.append(error.value)

    with closing(sqlite3.connect(bench.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        waiting = threading.Thread(target=charge)
        monkeypatch.setattr(sqlite._BEGIN_TO_WRITE, "change", begins)
        waiting.start()
        assert waits.wait(10)
        goes(bench.database)
        other.execute("ROLLBACK")
        waiting.join()
    assert [error.money for error in told] == ["not_moved"]
    assert bench.sent() == bench.moved() == []


@pytest.mark.parametrize("at", ["before", "after"])
def test_what_was_committed_to_a_log_that_was_deleted_is_not_lost(bench: Bench, at: str) -> None:
    """Its process goes on, and is then killed: a copy of the file is what the next one finds."""

    wire = Wire(bench.world)
    router = bench.warm(http_client=wire)
    router.charge(BOT, 3)

    def tidy_up(method: str, _url: str) -> None:
        if method == "POST":
            _delete_the_log(bench.database)

    setattr(wire, at, tidy_up)
    assert router.charge(BOT, 5).paid
    setattr(wire, at, None)
    with pytest.raises(LedgerUnavailableError):
        router.charge(BOT, 6)
    shutil.copy(bench.database, bench.folder / "left.db")
    for file in bench.folder.glob("ledger.db*"):
        file.unlink()
    (bench.folder / "left.db").rename(bench.database)
    next_one = bench.router()
    next_one.recover_operations()
    assert bench.moved() == bench.booked(next_one) == [300, 500]


@pytest.mark.parametrize("goes", [_delete, _replace_by_a_copy])
def test_an_outcome_finds_its_way_if_the_ledger_is_replaced_during_the_payment(
    bench: Bench, goes: Callable[[Path], None]
) -> None:
    def go(method: str, _url: str) -> None:
        if method == "POST":
            os.link(bench.database, bench.folder / "kept.db")
            goes(bench.database)

    router = bench.router(http_client=Wire(bench.world, after=go))
    assert router.charge(BOT, 5).paid
    (bench.folder / "kept.db").replace(bench.database)
    assert bench.booked(router) == bench.moved() == [500]


SIGNALS = {
    "unavailable": LedgerUnavailableError("The disk is full. Make room."),
    "ambiguous": CommitAmbiguous("the connection broke during COMMIT"),
}
FAILURES = {
    **SIGNALS,
    "operating-system": OSError(28, "No space left on device"),
    "our-own-mistake": ValueError("a column too many"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_payment_that_cannot_be_recorded_is_still_the_caller_s(
    bench: Bench, commits: Commits, caplog: pytest.LogCaptureFixture, failure: str
) -> None:
    router = bench.warm()
    commits.fail_each("CloseOperation", FAILURES[failure])
    done = router.charge(BOT, 5, idempotency_key="k")
    assert (done.paid, done.amount_minor) == (True, 500)
    critical = [r for r in caplog.records if r.levelno == logging.CRITICAL]
    journaled = failure in SIGNALS
    unrecorded = [] if journaled else [done.operation_id]
    assert [getattr(r, "operation_id", None) for r in critical] == unrecorded
    commits.mend()
    if not journaled:
        bench.world.advance(LEASE)
    assert router.charge(BOT, 5, idempotency_key="k").id == done.id
    assert bench.moved() == bench.booked(router) == [500]
    assert bench.states() == ["succeeded"]


def test_a_table_that_vanishes_during_a_payment_does_not_hide_it(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    def rename(old: str, new: str) -> None:
        with closing(sqlite3.connect(bench.database)) as other:
            other.execute(f"ALTER TABLE {old} RENAME TO {new}")

    def vanish(method: str, _url: str) -> None:
        if method == "POST":
            rename("stripe_ledger_heads", "elsewhere")

    router = bench.router(http_client=Wire(bench.world, after=vanish))
    done = router.charge(BOT, 5, idempotency_key="k")
    assert done.paid
    assert "ledger.journaled" in caplog.text
    rename("elsewhere", "stripe_ledger_heads")
    bench.router().charge(BOT, 5, idempotency_key="k")
    assert bench.moved() == bench.booked(router) == [500]


def test_an_unrecorded_keyless_payment_blocks_an_equal_one(bench: Bench, commits: Commits) -> None:
    router = bench.warm()
    commits.fail_each("CloseOperation", FAILURES["our-own-mistake"])
    assert router.charge(BOT, 5).paid
    commits.mend()
    with pytest.raises(OutcomeUnknownError):
        router.charge(BOT, 5)
    assert bench.moved() == [500]


def test_an_unrecorded_payment_asked_for_at_once_is_never_charged_again(
    bench: Bench, commits: Commits
) -> None:
    router = bench.warm()
    commits.fail_each("CloseOperation", FAILURES["our-own-mistake"])
    done = router.charge(BOT, 5, idempotency_key="k")
    commits.mend()
    try:
        found = str(router.charge(BOT, 5, idempotency_key="k").id)
    except OperationInProgressError as error:
        found = str(error.operation_id)
    assert found in (done.id, done.operation_id)
    assert bench.moved() == [500]


@pytest.mark.parametrize("failure", SIGNALS)
def test_a_decline_whose_step_cannot_be_stored_is_not_called_not_moved(
    bench: Bench, commits: Commits, failure: str
) -> None:
    router = bench.warm()
    bench.world.set_outcome(CARD, "declined:lost_card")
    commits.fail_each("RecordOutputs", FAILURES[failure])
    with pytest.raises(OutcomeUnknownError) as told:
        router.charge(BOT, 5, idempotency_key="k")
    assert told.value.operation_id == bench.operations()[0]["operation_id"]
    commits.mend()
    bench.world.advance(LEASE)
    with pytest.raises(PaymentDeclinedError):
        router.charge(BOT, 5, idempotency_key="k")
    assert bench.world.objects("payment_intent")[-1]["status"] == "canceled"


@pytest.mark.parametrize("failure", SIGNALS)
def test_a_lease_that_cannot_be_renewed_in_doubt_leaves_the_doubt(
    bench: Bench, commits: Commits, failure: str
) -> None:
    router = bench.warm()
    bench.fault("timeout", effect=True, times=None, seconds=29.0)
    commits.fail_each("TakeLease", FAILURES[failure])
    with pytest.raises(OutcomeUnknownError) as told:
        router.charge(BOT, 5, idempotency_key="k")
    assert told.value.money == "unknown"
    assert bench.moved() == [500]


@pytest.mark.parametrize("failure", [SIGNALS["ambiguous"], KeyboardInterrupt()], ids=repr)
def test_a_renewal_that_breaks_off_although_it_was_committed_leaves_the_doubt(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    router, commit = bench.warm(), SqlStore.commit

    def breaks_off(store: SqlStore, *writes: Write) -> None:
        commit(store, *writes)
        if any(isinstance(write, TakeLease) for write in writes):
            raise failure

    monkeypatch.setattr(SqlStore, "commit", breaks_off)
    bench.fault("cut", effect=True, seconds=100)
    with pytest.raises((OutcomeUnknownError, KeyboardInterrupt)):
        router.charge(BOT, 5)
    monkeypatch.undo()
    assert bench.states() == ["unknown"]
    with pytest.raises(OutcomeUnknownError):
        bench.router().charge(BOT, 5)
    assert bench.moved() == [500]


@pytest.mark.parametrize("failure", SIGNALS)
def test_a_doubt_that_cannot_be_taken_up_again_stays_one(
    bench: Bench, commits: Commits, failure: str
) -> None:
    router = bench.warm()
    bench.fault("cut", effect=True, times=None)
    with pytest.raises(OutcomeUnknownError):
        router.charge(BOT, 5, idempotency_key="k")
    bench.world.faults.clear()
    commits.fail_each("TakeLease", FAILURES[failure])
    with pytest.raises(BillingError) as told:
        router.charge(BOT, 5, idempotency_key="k")
    assert told.value.money == "unknown"
    assert told.value.operation_id == bench.operations()[0]["operation_id"]
    commits.mend()
    bench.world.advance(LEASE)
    assert router.charge(BOT, 5, idempotency_key="k").paid
    assert bench.moved() == bench.booked(router) == [500]


@pytest.mark.parametrize("failure", FAILURES)
def test_a_doubt_that_cannot_be_recorded_is_still_told(
    bench: Bench, commits: Commits, failure: str
) -> None:
    router = bench.warm()
    bench.fault("cut", effect=True, times=None)
    commits.fail_each("CloseOperation", FAILURES[failure])
    with pytest.raises(OutcomeUnknownError):
        router.charge(BOT, 5, idempotency_key="k")
    commits.mend()
    bench.world.faults.clear()
    bench.world.advance(LEASE)
    assert router.charge(BOT, 5, idempotency_key="k").paid
    assert bench.moved() == bench.booked(router) == [500]


@pytest.mark.parametrize("failure", SIGNALS)
def test_an_intent_that_cannot_be_written_is_not_sent(
    bench: Bench, commits: Commits, failure: str
) -> None:
    router = bench.warm()
    commits.fail_each("OpenOperation", FAILURES[failure])
    with pytest.raises(BillingError):
        router.charge(BOT, 5)
    assert bench.sent() == []


@pytest.fixture
def impatient_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool of connections that gives up at once instead of after half a minute."""
    size, overflow, _, lifo = QueuePool.__init__.__defaults__ or ()
    monkeypatch.setattr(QueuePool.__init__, "__defaults__", (size, overflow, 0.01, lifo))


class Readers:
    """Readers of the ledger who stopped half-way, as many as get a connection."""

    def __init__(self) -> None:
        self._reading = ExitStack()

    def hold(self, router: BillingRouter) -> None:
        database = router.store._sql._database()
        with suppress(LedgerUnavailableError):
            for _ in range(100):
                self._reading.enter_context(database.read())

    def leave(self) -> None:
        self._reading.close()


@pytest.fixture
def readers(impatient_pool: None) -> Iterator[Readers]:
    made = Readers()
    yield made
    made.leave()


def test_without_a_free_connection_nothing_is_sent(bench: Bench, readers: Readers) -> None:
    bench.warm()
    router = bench.router()
    readers.hold(router)
    with pytest.raises(LedgerUnavailableError):
        router.charge(BOT, 5)
    assert bench.sent() == []
    readers.leave()
    assert router.charge(BOT, 5).paid


def test_readers_who_take_every_connection_keep_no_payment_from_being_recorded(
    bench: Bench, readers: Readers, caplog: pytest.LogCaptureFixture
) -> None:
    routers: list[BillingRouter] = []

    def hold(method: str, _url: str) -> None:
        if method == "POST" and routers:
            readers.hold(routers[0])

    router = bench.warm(http_client=Wire(bench.world, after=hold))
    routers.append(router)
    done = router.charge(BOT, 5, idempotency_key="k")
    assert done.paid
    assert [r for r in caplog.records if r.levelno == logging.CRITICAL] == []
    routers.clear()
    readers.leave()
    assert router.charge(BOT, 5, idempotency_key="k").id == done.id
    assert bench.moved() == bench.booked(router) == [500]


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """End what takes longer, so that it fails instead of hanging."""

    def end(*_: object) -> None:
        raise Died

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("key", KEYS)
def test_a_ledger_that_refuses_the_intent_does_not_hang_the_call(
    bench: Bench, key: str | None
) -> None:
    """Such as one that a newer version has given a column that must not be empty."""
    router = bench.warm()
    with closing(sqlite3.connect(bench.database)) as direct:
        refuse = "BEGIN SELECT RAISE(ABORT, 'NOT NULL constraint failed'); END"
        direct.execute(f"CREATE TRIGGER newer BEFORE INSERT ON stripe_operations {refuse}")
    with within(1), pytest.raises(LedgerUnavailableError):
        router.charge(BOT, 5, idempotency_key=key)
    assert bench.sent() == []


class Failing:
    """An observer that fails."""

    def notify(self, event: Event) -> None:
        raise OSError("the alert cannot be sent")


def test_an_observer_that_fails_does_not_break_a_payment(bench: Bench) -> None:
    router = bench.router(observers=[Failing()])
    assert router.charge(BOT, 5).paid
    assert bench.moved() == bench.booked(router) == [500]


class Broken(logging.Handler):
    """A log that cannot be written."""

    def emit(self, record: logging.LogRecord) -> None:
        raise OSError("the log's disk is full")


def test_an_observer_whose_own_task_was_cancelled_does_not_break_a_payment(bench: Bench) -> None:
    """A caller who sees its error would charge again."""

    class Cancelled:
        def notify(self, event: Event) -> None:
            raise CancelledError

    assert bench.router(observers=[Cancelled()]).charge(BOT, 5).paid
    assert bench.moved() == [500]


@pytest.mark.parametrize("observers", [[], [Failing()]], ids=["alone", "with-a-broken-observer"])
def test_a_log_that_cannot_be_written_does_not_break_a_payment(
    bench: Bench, observers: list[Failing]
) -> None:
    logger = logging.getLogger("stripe_billing_router")
    broken, level = Broken(), logger.level
    router = bench.warm(observers=observers)
    logger.addHandler(broken)
    logger.setLevel(logging.INFO)
    try:
        done = router.charge(BOT, 5)
    finally:
        logger.removeHandler(broken)
        logger.setLevel(level)
    assert done.paid
    assert bench.moved() == bench.booked(router) == [500]


def test_every_working_directory_has_the_same_ledger(
    tmp_path: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    (project / "config").mkdir(parents=True)
    (project / "src" / "deep").mkdir(parents=True)
    (project / "config" / "stripe_billing_router.yaml").write_text(ROUTING)
    first = None
    for folder in (project, project / "src" / "deep", project / "config"):
        monkeypatch.chdir(folder)
        router = _from_here(bench)
        done = router.charge(BOT, 5, idempotency_key="k")
        first = first or done
        assert done.id == first.id
        router.close()
    assert bench.moved() == [500]
    assert [p for p in tmp_path.rglob("*.db") if "project" in str(p)] == [
        project / "finance_logs" / "stripe_ledger.db"
    ]


def test_without_a_routing_file_no_ledger_is_made_anywhere(
    tmp_path: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    with pytest.raises(BillingError, match="init"):
        _from_here(bench)
    assert list(empty.iterdir()) == []


def test_a_working_directory_that_is_gone_does_not_matter(
    tmp_path: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert bench.router().charge(BOT, 5).paid
    with pytest.raises(BillingError):
        _from_here(bench)
    monkeypatch.chdir(tmp_path)


def _from_here(bench: Bench) -> BillingRouter:
    from stripe_billing_router.sandbox import (
        SANDBOX_API_BASE,
        SANDBOX_SECRET_KEY,
        SandboxHTTPClient,
    )

    return BillingRouter(
        secret_key=SANDBOX_SECRET_KEY,
        api_base=SANDBOX_API_BASE,
        http_client=SandboxHTTPClient(bench.world),
        clock=bench.world.clock,
        environ={},
        recover_at_start=False,
    )
