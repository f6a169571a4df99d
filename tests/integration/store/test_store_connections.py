"""Which connections a file's one writer and its readers use."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, text

from stripe_billing_router.engine.clock import SystemClock
from stripe_billing_router.errors import LedgerUnavailableError
from stripe_billing_router.ports import CommitAmbiguous
from stripe_billing_router.store.database import Database
from stripe_billing_router.store.prepared import Prepared

COUNT = Prepared(text("SELECT count(*) FROM seen"))


def insert(connection: Connection) -> None:
    connection.execute(text("INSERT INTO seen VALUES (1)"))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path}/ledger.db", SystemClock())
    with made.write() as connection:
        connection.execute(text("CREATE TABLE seen (one INTEGER)"))
    yield made
    made.close()


@pytest.fixture
def opened(database: Database) -> list[object]:
    """The connections that are opened from now on."""
    seen: list[object] = []
    event.listen(database.engine, "connect", lambda connection, _record: seen.append(connection))
    return seen


def glanced(database: Database) -> int:
    with database.glance() as connection:
        return int(COUNT.scalar(connection, {}))


def test_the_writer_and_who_glances_share_one_connection(
    database: Database, opened: list[object]
) -> None:
    for number in range(3):
        database.transact(insert)
        assert glanced(database) == number + 1
    assert opened == []


def test_who_glances_waits_for_no_writer_and_sees_what_is_committed(database: Database) -> None:
    database.transact(insert)
    begun, go_on = threading.Event(), threading.Event()

    def slowly(connection: Connection) -> None:
        insert(connection)
        begun.set()
        assert go_on.wait(30)

    writer = threading.Thread(target=database.transact, args=(slowly,))
    writer.start()
    assert begun.wait(30)
    assert glanced(database) == 1
    go_on.set()
    writer.join()
    assert glanced(database) == 2


def test_what_went_wrong_leaves_nothing_to_the_next_writer(database: Database) -> None:
    def fail(connection: Connection) -> None:
        insert(connection)
        raise RuntimeError("in the middle")

    def fail_in_sql(connection: Connection) -> None:
        insert(connection)
        connection.execute(text("INSERT INTO nowhere VALUES (1)"))

    with pytest.raises(RuntimeError):
        database.transact(fail)
    with pytest.raises(LedgerUnavailableError):
        database.transact(fail_in_sql)
    with pytest.raises(LedgerUnavailableError), database.glance() as connection:
        Prepared(text("SELECT * FROM nowhere")).rows(connection, {})
    database.transact(insert)
    assert glanced(database) == 1


def refuse(connection: Connection) -> None:
    """COMMIT fails, and SQLite keeps the transaction open."""
    insert(connection)
    connection.execute(text("INSERT INTO follows VALUES (7)"))


def interrupt(connection: Connection) -> None:
    insert(connection)

    def once(_connection: Connection) -> None:
        event.remove(connection.engine, "commit", once)
        raise KeyboardInterrupt

    event.listen(connection.engine, "commit", once)


@pytest.mark.parametrize(
    ("work", "error"), [(refuse, CommitAmbiguous), (interrupt, KeyboardInterrupt)]
)
def test_a_transaction_whose_commit_broke_off_is_not_left_open(
    database: Database, work: Callable[[Connection], None], error: type[BaseException]
) -> None:
    with database.write() as connection:
        connection.execute(text("CREATE TABLE leads (one INTEGER PRIMARY KEY)"))
        connection.execute(
            text("CREATE TABLE follows (one REFERENCES leads DEFERRABLE INITIALLY DEFERRED)")
        )
    with pytest.raises(error):
        database.transact(work)
    assert glanced(database) == 0
    database.transact(insert)
    assert glanced(database) == 1


def test_who_closes_does_not_wait_for_what_a_signal_interrupted(database: Database) -> None:
    def close_in_the_middle(connection: Connection) -> None:
        closing = threading.Thread(target=database.close)
        closing.start()
        closing.join(30)
        assert not closing.is_alive()
        insert(connection)

    database.transact(close_in_the_middle)
    assert glanced(database) == 1


def test_a_database_that_was_closed_opens_again(database: Database, opened: list[object]) -> None:
    database.close()
    assert opened == []
    database.transact(insert)
    assert glanced(database) == 1
    assert len(opened) == 1
