"""A process that is interrupted again and again, at any moment, while it uses a SQLite file.

`python -m tests.integration.store.interrupted FILE TIMES` prints what an interrupt left behind.
"""

from __future__ import annotations

import random
import signal
import sqlite3
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType

from sqlalchemy import Connection, text

from stripe_billing_router import LedgerUnavailableError
from stripe_billing_router.engine.clock import SystemClock
from stripe_billing_router.store.database import Database
from stripe_billing_router.store.dialects import sqlite
from stripe_billing_router.store.prepared import Prepared

_COUNT = Prepared(text("SELECT count(*) FROM seen"))
_LONGEST = 500e-6
"""Seconds, about what a commit takes where the disk costs nothing."""

_MANY = 200
_FEW = 5
"""SQLAlchemy's pool may lose count of a connection at each interrupt."""


class Interrupt(BaseException):
    """Raised by a signal's handler, as KeyboardInterrupt is."""


def main(path: Path, times: int) -> None:
    database = _opened(path)
    with database.write() as connection:
        connection.execute(text("CREATE TABLE seen (one INTEGER)"))
    signal.signal(signal.SIGALRM, _interrupt)
    moments = random.Random(1)
    for number in range(times):
        _interrupted(_glance if number % 2 else _write, database, moments)
        if found := _left_behind(database, path):
            print(found)
            return
        if number % _FEW == 0:
            database.close()
            database = _opened(path)
    _write(database)
    database.close()
    print("nothing")


def _opened(path: Path) -> Database:
    return Database(f"sqlite:///{path}", SystemClock())


def _glance(database: Database) -> None:
    with database.glance() as connection:
        _COUNT.scalar(connection, {})


def _write(database: Database) -> None:
    database.transact(_insert)


def _insert(connection: Connection) -> None:
    connection.execute(text("INSERT INTO seen VALUES (1)"))


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise Interrupt


def _interrupted(
    use: Callable[[Database], None], database: Database, moments: random.Random
) -> None:
    with suppress(BaseException):  # SQLAlchemy may make another error of it
        try:
            signal.setitimer(signal.ITIMER_REAL, moments.uniform(1e-6, _LONGEST))
            for _ in range(_MANY):  # not for ever: Python ignores what is raised while it cleans up
                use(database)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)


def _left_behind(database: Database, path: Path) -> str:
    if database._writing is not None and database._writing.locked():
        return "the writer's lock"
    if database._queue._led or database._queue._waiting:
        return "a queue that nobody leads"
    if sqlite._IN_USE._visits:
        return "a visit that ends never"
    other = sqlite3.connect(path, timeout=0, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return "an open transaction"
    finally:
        other.close()
    try:
        _glance(database)
    except LedgerUnavailableError as error:
        return f"a refusal: {error}"
    return ""


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
