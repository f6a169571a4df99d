"""What somebody else has locked is not waited for without end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import create_engine, text

from stripe_billing_router.engine import SystemClock
from stripe_billing_router.errors import LedgerUnavailableError
from stripe_billing_router.store import SqlStore
from stripe_billing_router.store.database import Database
from tests.integration.store.test_store_contract import BASE, make_store, opening, operation

SETTINGS = {
    "sqlite": ("PRAGMA busy_timeout", [30_000]),
    "postgresql": ("SHOW lock_timeout", ["30s"]),
    "mysql": ("SELECT @@innodb_lock_wait_timeout, @@lock_wait_timeout", [30, 30]),
}
LOCKING = {
    "sqlite": "BEGIN IMMEDIATE",
    "postgresql": "LOCK TABLE stripe_operations",
    "mysql": "LOCK TABLES stripe_operations WRITE",
}


def test_nobody_waits_longer_than_half_a_minute(database_url: str) -> None:
    make_store(database_url).close()
    database = Database(database_url, SystemClock())
    query, expected = SETTINGS[database.engine.dialect.name]
    for _ in range(2):  # it still is so after a transaction that was rolled back
        with database.read() as connection:
            assert list(connection.exec_driver_sql(query).one()) == expected
    database.close()


@contextmanager
def locked(url: str) -> Iterator[None]:
    other = create_engine(url)
    with other.connect() as connection:
        if other.dialect.name == "sqlite":
            connection.connection.driver_connection.isolation_level = None  # type: ignore[union-attr]
        connection.execute(text(LOCKING[other.dialect.name]))
        yield
        if other.dialect.name == "sqlite":
            connection.exec_driver_sql("ROLLBACK")
        connection.invalidate()
    other.dispose()


def test_a_table_that_somebody_has_locked_refuses_an_intent_in_time(database_url: str) -> None:
    make_store(database_url).close()
    store = SqlStore(
        database_url, SystemClock(), account_id="acct_1", api_base=BASE, lock_timeout=0.3
    )
    store.operation("none")
    with locked(database_url):
        began = time.monotonic()
        with pytest.raises(LedgerUnavailableError, match="nothing is sent"):
            store.commit(opening(operation("op_1", None)))
        assert time.monotonic() - began < 5
    store.commit(opening(operation("op_1", None)))
    store.close()
