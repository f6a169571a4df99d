"""Entries are numbered under the lock of their stream: later ones have higher numbers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from sqlalchemy import Connection, text

from stripe_billing_router.engine.clock import SystemClock
from stripe_billing_router.store import migrate
from stripe_billing_router.store.database import Database
from stripe_billing_router.store.outbox import locked_head

STREAM = "finance:bot"
PATIENCE = 10.0
WHO = {"postgresql": "SELECT pg_backend_pid()", "mysql": "SELECT CONNECTION_ID()"}
WAITS = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE pid = :who "
    "AND wait_event_type = 'Lock'",
    "mysql": "SELECT count(*) FROM information_schema.innodb_trx WHERE trx_mysql_thread_id = :who "
    "AND trx_state = 'LOCK WAIT'",
}


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(database_url, SystemClock())
    if made.dialect.one_writer:
        pytest.skip("one writer waits for nobody in the database")
    migrate.upgrade(made)
    yield made
    made.close()


def numbered(database: Database, connection: Connection) -> int:
    head = locked_head(database.dialect, connection, STREAM)
    return database.dialect.next_sequence(connection, head)


def test_who_waits_for_a_stream_gets_a_number_above_all_that_were_drawn_meanwhile(
    database: Database,
) -> None:
    kind = "postgresql" if "postgresql" in database.engine.name else "mysql"
    waiting: list[int] = []
    ready = Event()

    def wait_for_it() -> int:
        with database.write() as connection:
            waiting.append(int(connection.exec_driver_sql(WHO[kind]).scalar_one()))
            ready.set()
            return numbered(database, connection)

    with database.write() as connection:
        numbered(database, connection)  # makes the head
    with ThreadPoolExecutor(1) as pool:
        with database.write() as connection:
            first = numbered(database, connection)
            second = pool.submit(wait_for_it)
            assert ready.wait(PATIENCE)
            _until_it_waits(database, kind, waiting[0])
            again = numbered(database, connection)
        assert first < again < second.result(PATIENCE)


def _until_it_waits(database: Database, kind: str, who: int) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        with database.read() as connection:
            if connection.execute(text(WAITS[kind]), {"who": who}).scalar_one():
                return
        assert time.monotonic() < end
        time.sleep(0.05)
