"""A process whose threads use a SQLite file all the time, and which forks in the middle.

`python -m tests.integration.store.forking FILE FORKS` prints how many children did not get through.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, text

from stripe_billing_router.engine.clock import SystemClock
from stripe_billing_router.store.database import Database

_PATIENCE = 10


def insert(connection: Connection) -> None:
    connection.execute(text("INSERT INTO seen VALUES (1)"))


def count(database: Database) -> int:
    with database.read() as connection:
        return int(connection.execute(text("SELECT count(*) FROM seen")).scalar_one())


def main(path: Path, forks: int) -> None:
    url = f"sqlite:///{path}"
    database = Database(url, SystemClock())
    with database.write() as connection:
        connection.execute(text("CREATE TABLE seen (one INTEGER)"))
    done = threading.Event()

    def open_another() -> None:
        another = Database(url, SystemClock())
        count(another)
        another.close()

    def again_and_again(use: Callable[[], object]) -> None:
        while not done.is_set():
            use()

    uses = (lambda: count(database), lambda: database.transact(insert), open_another)
    threads = [threading.Thread(target=again_and_again, args=(use,)) for use in uses]
    for thread in threads:
        thread.start()
    lost = sum(_child_is_lost(database) for _ in range(forks))
    done.set()
    for thread in threads:
        thread.join()
    database.close()
    print(lost)


def _child_is_lost(database: Database) -> bool:
    pid = os.fork()
    if pid == 0:
        signal.alarm(_PATIENCE)
        database.transact(insert)
        os._exit(0 if count(database) else 1)
    return os.waitpid(pid, 0)[1] != 0


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
