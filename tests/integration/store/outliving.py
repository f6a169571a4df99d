"""A child that goes on writing to a SQLite file after its parent has closed it.

`python -m tests.integration.store.outliving FILE` prints how many of the 7 rows are in the file.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection, text

from stripe_billing_router.engine.clock import SystemClock
from stripe_billing_router.store.database import Database


def insert(connection: Connection) -> None:
    connection.execute(text("INSERT INTO seen VALUES (1)"))


def main(path: Path) -> None:
    database = Database(f"sqlite:///{path}", SystemClock())
    with database.write() as connection:
        connection.execute(text("CREATE TABLE seen (one INTEGER)"))
    database.transact(insert)
    child_began, parent_closed = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        database.transact(insert)
        os.write(child_began[1], b".")
        os.read(parent_closed[0], 1)
        for _ in range(5):
            database.transact(insert)
        os._exit(0)
    os.read(child_began[0], 1)
    database.close()
    os.write(parent_closed[1], b".")
    os.waitpid(pid, 0)
    with closing(sqlite3.connect(path)) as connection:
        print(*connection.execute("SELECT count(*) FROM seen").fetchone())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
