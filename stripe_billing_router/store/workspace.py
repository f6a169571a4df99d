"""A file for what a run of the watchdog has read: it keeps memory small, and survives a kill."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import SQLAlchemyError

from ..errors import LedgerUnavailableError
from ..frozen import frozen
from ..models import Shown
from . import workspace_rows as rows
from . import workspace_sql as sql

_VERSION = 1
_PRAGMAS = ("journal_mode = WAL", "synchronous = OFF", "cache_size = -24000", "temp_store = FILE")


@frozen
class Mark:
    """How far a source has been read: `next_after` is where to go on, `objects` how many came."""

    next_after: str | None
    objects: int
    done: bool


class Workspace:
    """Stages what Stripe shows and puts its families together. For one run, in one thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._engine = create_engine(f"sqlite:///{path}")
        self._connection = self._opened()

    def window(self, account_id: str, since_ms: int, until_ms: int) -> int:
        """Return where the window ends: that of a run that was broken off, or a new one.

        A run goes on if it was about the same account and time; else everything is forgotten.
        """
        known = self._facts()
        asked = {"version": _VERSION, "account": account_id, "since": since_ms}
        if {name: known.get(name) for name in asked} == asked:
            return int(known["until"])
        self._start_afresh({**asked, "until": until_ms})
        return until_ms

    def mark(self, source: str) -> Mark:
        """Return how far a source has been read."""
        query = "SELECT next_after, objects, done FROM sources WHERE name = ?"
        found = self._run(query, (source,)).first()
        return Mark(None, 0, False) if found is None else Mark(found[0], found[1], bool(found[2]))

    def stage(self, source: str, mark: Mark, page: Iterable[tuple[str, Sequence[Any]]]) -> None:
        """Keep a page, as `(table, values)`, and how far its source has been read: both or none."""
        values = (source, mark.next_after, mark.objects, mark.done)
        with self._transaction():
            self.put(page)
            self._run("INSERT OR REPLACE INTO sources VALUES (?, ?, ?, ?)", values)

    def put(self, page: Iterable[tuple[str, Sequence[Any]]]) -> None:
        """Stage rows, in the place of those with the same id."""
        by_table: dict[str, list[tuple[Any, ...]]] = {}
        for table, values in page:
            by_table.setdefault(table, []).append(tuple(values))
        for table, staged in by_table.items():
            self._run(sql.upsert(table), staged)

    def forget(self, table: str, object_id: str) -> None:
        """Drop an object that Stripe does not have (any more)."""
        self._run(f"DELETE FROM {table} WHERE id = ?", (object_id,))  # noqa: S608 - our own name

    def put_refused(self, refused: Iterable[tuple[str, str]]) -> None:
        """Keep which operation's answer named a payment that failed: `(Stripe id, operation)`."""
        named = list(refused)
        if named:
            self._run("INSERT OR REPLACE INTO refused VALUES (?, ?)", named)

    def charges(self, limit: int) -> Iterator[list[Shown]]:
        """Yield pages of all charges."""
        return self._pages(sql.CHARGES_AFTER, rows.charge, limit)

    def refunds(self, limit: int) -> Iterator[list[Shown]]:
        """Yield pages of all refunds."""
        return self._pages(sql.REFUNDS_AFTER, rows.refund, limit)

    def failures(self, limit: int) -> Iterator[list[Shown]]:
        """Yield pages of the failures that no charge tells of."""
        return self._pages(sql.FAILURES_AFTER, rows.failure, limit)

    def open_disputes(self, limit: int) -> Iterator[list[Mapping[str, Any]]]:
        """Yield pages of the disputes that are not decided, by the names of their columns."""
        return self._pages(sql.OPEN_DISPUTES, _named, limit)

    def again(self, shown: Shown) -> Shown | None:
        """Return the same as it is staged by now, None if it is not (any more)."""
        query, read = _AGAIN[shown.kind]
        for row in self._run(query, (json.dumps([shown.id]),)):
            return read(row)
        return None

    def collected(self, ids: Collection[str]) -> set[str]:
        """Return those of these ids that Stripe shows as money that has moved."""
        return set(self._run(sql.COLLECTED, {"ids": json.dumps(list(ids))}).scalars())

    def report(self, fingerprint: str) -> bool:
        """Say whether this is the first time that it is reported in this run."""
        done = self._run("INSERT OR IGNORE INTO reported VALUES (?)", (fingerprint,))
        return bool(done.rowcount)

    def forget_reports(self) -> None:
        """Begin a new round of reports."""
        self._run("DELETE FROM reported")

    def close(self) -> None:
        self._connection.close()
        self._engine.dispose()

    def remove(self) -> None:
        """Delete the file: the run is over."""
        self.close()
        _remove(self._path)

    def _opened(self) -> Connection:
        try:
            return self._connected()
        except LedgerUnavailableError:  # broken off by a power loss, or not ours
            self._engine.dispose()
            _remove(self._path)
            return self._connected()

    def _connected(self) -> Connection:
        with _translated(self._path):
            connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            for pragma in _PRAGMAS:
                connection.exec_driver_sql(f"PRAGMA {pragma}")
            if not connection.exec_driver_sql("PRAGMA user_version").scalar():
                for definition in sql.definitions():
                    connection.exec_driver_sql(definition)
                connection.exec_driver_sql(f"PRAGMA user_version = {_VERSION}")
            return connection

    def _facts(self) -> dict[str, Any]:
        return dict(tuple(row) for row in self._run("SELECT name, value FROM facts"))

    def _start_afresh(self, facts: Mapping[str, Any]) -> None:
        with self._transaction():
            for table in (*sql.COLUMNS, "sources", "reported", "refused", "facts"):
                self._run(f"DELETE FROM {table}")  # noqa: S608 - our own name
            self._run("INSERT INTO facts VALUES (?, ?)", list(facts.items()))

    def _pages(self, query: str, read: Callable[[Any], Any], limit: int) -> Iterator[list[Any]]:
        after = 0
        while found := self._run(query, (after, limit)).all():
            yield [read(row) for row in found]
            after = found[-1][0]

    def _run(self, query: str, values: Any = None) -> Any:
        with _translated(self._path):
            return self._connection.exec_driver_sql(query, values)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._run("BEGIN")
        try:
            yield
        except BaseException:
            self._run("ROLLBACK")
            raise
        self._run("COMMIT")


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or error
        raise LedgerUnavailableError(
            f"The workspace {path} cannot be used ({type(cause).__name__}: {cause}). Check that "
            "its disk has room and that it may be written, or delete it; then run again."
        ) from None


def _remove(path: Path) -> None:
    for name in (path, Path(f"{path}-wal"), Path(f"{path}-shm"), Path(f"{path}-journal")):
        name.unlink(missing_ok=True)


def _named(row: Any) -> Mapping[str, Any]:
    return dict(row._mapping)


_AGAIN: Mapping[str, tuple[str, Callable[[Any], Shown]]] = {
    "charge": (sql.CHARGES_AMONG, rows.charge),
    "refund": (sql.REFUNDS_AMONG, rows.refund),
    "failure": (sql.FAILURES_AMONG, rows.failure),
}
