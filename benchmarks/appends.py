"""Ledger entries appended by many threads, against the database's driver alone.

    python -m benchmarks.appends

The driver inserts the same rows into the same tables, with the same durability: each thread has a
connection of its own, which stays open, and commits every entry. It computes no hashes and keeps no
chain.
"""

from __future__ import annotations

import sqlite3
import statistics
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
from typing import Any

import psycopg
from sqlalchemy import make_url

from benchmarks.bare import Rows
from benchmarks.entries import entry, new_store, postgres_schema
from benchmarks.harness import Figure, Promise, tell, timed
from stripe_billing_router.models import AppendEntry
from stripe_billing_router.store import SqlStore

THREADS = (1, 8, 32)
PROMISED = {("SQLite", 32): Promise("at least", 2.0), ("PostgreSQL", 32): Promise("at least", 0.8)}

Connect = Callable[[], Any]


def figures(entries: int = 1920, rounds: int = 5) -> Iterator[Figure]:
    """Yield how many entries are appended for each one that the driver alone commits."""
    with tempfile.TemporaryDirectory() as folder:
        ours, bare = (f"sqlite:///{folder}/{name}.db" for name in ("ours", "bare"))
        yield from _figures("SQLite", ours, bare, partial(_sqlite, bare), entries, rounds)
    with postgres_schema() as url, postgres_schema() as bare_url:
        if url is not None and bare_url is not None:
            connect = partial(_psycopg, bare_url)
            yield from _figures("PostgreSQL", url, bare_url, connect, entries, rounds)


def _figures(
    name: str, url: str, bare_url: str, connect: Connect, entries: int, rounds: int
) -> Iterator[Figure]:
    store = new_store(url)
    bare = _Bare(bare_url, connect)
    for threads in THREADS:
        ours, alone = _rates(store, bare, threads, entries, rounds)
        yield Figure(
            f"appends: {name}, {threads} threads, to the driver alone",
            ours / alone,
            "x",
            f"{ours:,.0f}/s, driver {alone:,.0f}/s",
            PROMISED.get((name, threads)),
        )
    bare.close()
    store.close()


def _rates(
    store: SqlStore, bare: _Bare, threads: int, entries: int, rounds: int
) -> tuple[float, float]:
    """Return the medians of entries per second, ours and the driver's, measured by turns."""
    each = entries // threads
    ours: list[float] = []
    alone: list[float] = []
    for _ in range(rounds + 1):
        ours.append(threads * each / _together(threads, lambda n: _append(store, n, each)))
        alone.append(threads * each / _together(threads, lambda n: bare.append(n, each)))
    return statistics.median(ours[1:]), statistics.median(alone[1:])


def _together(threads: int, work: Callable[[int], None]) -> float:
    """Return the seconds until all threads have done their work."""
    with ThreadPoolExecutor(threads) as pool:
        return timed(lambda: list(pool.map(work, range(threads))))


def _append(store: SqlStore, thread: int, number: int) -> None:
    for _ in range(number):
        store.commit(AppendEntry(entry(f"bench:bot{thread}")))


class _Bare:
    """The same rows, inserted with the driver alone."""

    def __init__(self, url: str, connect: Connect) -> None:
        self._numbers = count(1_000)
        store = new_store(url)
        for thread in range(max(THREADS)):
            store.commit(AppendEntry(entry(f"bench:bot{thread}")))
        store.close()
        self._connections = [connect() for _ in range(max(THREADS))]
        self._rows = Rows(self._connections[0])
        self._connections[0].commit()

    def append(self, thread: int, number: int) -> None:
        bot, database = f"bench:bot{thread}", self._connections[thread]
        for _ in range(number):
            place = next(self._numbers)
            self._rows.append(database, bot, place)
            database.commit()

    def close(self) -> None:
        for database in self._connections:
            database.close()


def _psycopg(url: str) -> Any:
    address = make_url(url).set(drivername="postgresql")
    return psycopg.connect(address.render_as_string(hide_password=False))


def _sqlite(url: str) -> sqlite3.Connection:
    database = sqlite3.connect(url.removeprefix("sqlite:///"), check_same_thread=False)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=60000"):
        database.execute(f"PRAGMA {pragma}")
    database.isolation_level = "IMMEDIATE"
    return database


if __name__ == "__main__":
    tell(figures())
