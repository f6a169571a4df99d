"""What the driver executes by itself fails like what SQLAlchemy executes, on each database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import bindparam, insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from stripe_billing_router.engine.clock import SystemClock
from stripe_billing_router.errors import LedgerUnavailableError
from stripe_billing_router.store import migrate
from stripe_billing_router.store.database import Database
from stripe_billing_router.store.prepared import Prepared, together
from stripe_billing_router.store.schema import freezes

INSERT = Prepared(insert(freezes))
FIND = Prepared(select(freezes).where(freezes.c.freeze_id == bindparam("freeze_id")))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(database_url, SystemClock())
    migrate.upgrade(made)
    yield made
    made.close()


def freeze(name: str, **changes: Any) -> dict[str, Any]:
    row = {"scope": "*", "reason": "100% é", "frozen_by": "a:b", "frozen_ms": 2**40}
    return {"freeze_id": name, **row, **changes}


def found(database: Database, name: str) -> Any:
    with database.read() as connection:
        return FIND.first(connection, {"freeze_id": name})


def test_what_was_written_is_read_by_its_names(database: Database) -> None:
    with database.write() as connection:
        assert INSERT.change(connection, freeze("f1")) == 1
    row = found(database, "f1")
    assert (row.reason, row.frozen_ms, row.unfrozen_ms) == ("100% é", 2**40, None)
    assert found(database, "f2") is None


@pytest.mark.parametrize("at_once", [False, True], ids=["alone", "at-once"])
def test_a_row_that_is_there_is_an_integrity_error_and_nothing_of_it_stays(
    database: Database, at_once: bool
) -> None:
    with database.write() as connection:
        INSERT.change(connection, freeze("f1"))
    twice = [(INSERT, freeze("f2")), (INSERT, freeze("f1"))]
    with database.engine.connect() as connection, connection.begin() as transaction:
        joined = at_once and database.dialect.at_once(connection)
        with pytest.raises(IntegrityError):
            together(connection, joined, *twice)
        transaction.rollback()
    assert found(database, "f2") is None
    with database.write() as connection:
        INSERT.change(connection, freeze("f3"))
    assert found(database, "f3") is not None


def test_a_lost_connection_is_given_up_and_the_next_one_works(database: Database) -> None:
    ends = {
        "postgresql": ("SELECT pg_backend_pid()", "SELECT pg_terminate_backend({}, 10000)"),
        "mysql": ("SELECT CONNECTION_ID()", "KILL {}"),
    }
    if database.dialect.one_writer:
        pytest.skip("a file has no connection to lose")
    with database.engine.connect() as connection:
        who, end = ends["mysql" if "m" in connection.dialect.name[:2] else "postgresql"]
        number = Prepared(text(who)).scalar(connection, {})
        with database.engine.connect() as other:
            other.exec_driver_sql(end.format(number))
        with pytest.raises(DBAPIError) as told:
            INSERT.change(connection, freeze("f1"))
        assert told.value.connection_invalidated
        assert connection.invalidated
    with database.write() as connection:
        INSERT.change(connection, freeze("f1"))
    assert found(database, "f1") is not None


def test_an_error_of_the_driver_is_told_as_the_ledger_s(database: Database) -> None:
    wrong = Prepared(text("SELECT nothing FROM nowhere"))
    with pytest.raises(LedgerUnavailableError), database.write() as connection:
        wrong.scalar(connection, {})
