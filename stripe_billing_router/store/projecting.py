"""Brings projections up to their events: each event's effect once, with its cursor.

Cursors are kept where those of sinks are, under `projection:<domain>.<name>`. The row of the empty
stream is the projection's own: whoever applies events shares it, whoever rebuilds has it alone.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from sqlalchemy import Connection, Table, delete, select, update

from ..domain import Domain, Projection
from ..errors import ConfigurationError
from ..frozen import frozen
from ..ports import CommitAmbiguous
from ..secrecy import attempt, discreet_methods
from . import outbox
from .cursors import Outbox, untouched
from .database import Away, Database
from .outbox_schema import cursors as table
from .transaction import Replay, SqlTransaction

_log = logging.getLogger(__name__)

_BATCH = 100
_ALL = ""
_LONGEST_REST_MS = 60_000
_MOST_DOUBLINGS = 6

Begin = Callable[[Database, Connection], SqlTransaction]


@frozen
class Caught:
    """What one round did: how many events it applied, and the projections that failed."""

    applied: int
    failed: tuple[str, ...]


@frozen
class Difference:
    """A row that is not what its events say; None where there is none."""

    table: str
    live: Mapping[str, Any] | None
    rebuilt: Mapping[str, Any] | None


class _Undone(Exception):
    """Ends a transaction of which nothing is to stay."""


def projections_of(domains: Iterable[Domain]) -> Mapping[str, Projection]:
    """Return projections by the names of their cursors."""
    return {
        f"projection:{domain.name}.{projection.name}": projection
        for domain in domains
        for projection in domain.projections
    }


@discreet_methods
class Projections:
    """The projections of one database. Any number of threads and processes may work on them.

    `is_refused` if the database is there, and did not even let a cursor be moved.
    """

    def __init__(self, database: Database, known: Mapping[str, Projection], begin: Begin) -> None:
        self._database = database
        self._known = known
        self._begin = begin
        self.is_refused = False

    @property
    def names(self) -> Sequence[str]:
        return tuple(self._known)

    def run(self, *streams: str) -> int:
        """Apply what these streams hold; return how many effects that were.

        A projection that fails rests, while the others go on; then its error is raised.
        """
        total, failures = self._run(streams, rested=False)
        for error in failures.values():
            raise error
        return total

    def reach(self, streams: Iterable[str]) -> None:
        """Apply what streams hold, but for projections that rest; raises as `run`."""
        _, failures = self._run(streams, rested=True)
        for error in failures.values():
            raise error

    def catch_up(self) -> Caught:
        """Apply everything that waits, wherever it was written."""
        waiting, total, failed = Outbox(self._database).waiting, 0, dict[str, Exception]()
        for name in self._known:
            while name not in failed and (streams := waiting(name)):
                done, failures = self._run(streams, rested=True, only=name)
                total += done
                failed |= failures
        for name, error in failed.items():
            _log.warning("the projection %s waits: %s", name, type(error).__name__)
        return Caught(total, tuple(failed))

    def compare(self, name: str) -> list[Difference]:
        """Replay a projection's events, and return how its tables differ; changes nothing."""
        found: list[Difference] = []

        def work(connection: Connection) -> None:
            found[:] = self._replayed(connection, name)
            raise _Undone

        with suppress(_Undone):
            self._database.transact(work)
        return found

    def rebuild(self, name: str) -> list[Difference]:
        """Empty a projection's tables and fill them from its events; return what has changed."""
        found: list[Difference] = []

        def work(connection: Connection) -> None:
            found[:] = self._replayed(connection, name)

        self._database.transact(work)
        return found

    # -- onwards ----------------------------------------------------------------------------------

    def _run(
        self, streams: Iterable[str], *, rested: bool, only: str | None = None
    ) -> tuple[int, dict[str, Exception]]:
        """What projections emit reaches them too."""
        total, failures = 0, dict[str, Exception]()
        names = self._known if only is None else (only,)
        todo = deque(dict.fromkeys(streams))
        while todo:
            stream = todo.popleft()
            for name in names:
                try:
                    done, grown = self._through(name, stream, rested)
                except Exception as error:  # noqa: BLE001 - one projection must not stop another
                    failures.setdefault(name, error)
                else:
                    total += done
                    todo += grown
        return total, failures

    def _through(self, name: str, stream: str, rested: bool) -> tuple[int, set[str]]:
        """Apply a stream to its end, some events in each transaction."""
        total, grown = 0, set[str]()
        while True:
            step = _Step(self._database, self._begin, name, self._known[name], stream, rested)
            try:
                done = step.run(_BATCH)
            except Exception:
                self._put_off(step)
                raise
            total += done
            grown |= step.grown
            if done < _BATCH:
                return total, grown

    def _put_off(self, step: _Step) -> None:
        """Keep what came before the event that failed, and let the stream rest."""
        if before := step.reached:
            attempt(
                _log, f"{step.name} is not brought as far as it could be", partial(step.run, before)
            )
        try:
            step.put_off()
        except Exception as error:  # noqa: BLE001 - the error that matters is the projection's
            _log.warning("%s cannot be put off: %s", step.name, type(error).__name__)
            self.is_refused = not isinstance(error, Away)

    # -- anew -------------------------------------------------------------------------------------

    def _replayed(self, connection: Connection, name: str) -> list[Difference]:
        projection = self._projection(name)
        _locked(self._database, connection, name, _ALL)
        live = [_rows(connection, one) for one in projection.tables]
        for one in reversed(projection.tables):
            connection.execute(delete(one))
        mine = select(table).where(table.c.sink == name, table.c.stream != _ALL)
        for cursor in connection.execute(mine.order_by(table.c.stream)).all():
            self._replay(connection, projection, cursor.stream, cursor.sequence)
        rebuilt = [_rows(connection, one) for one in projection.tables]
        return [
            Difference(one.name, before.get(key), after.get(key))
            for one, before, after in zip(projection.tables, live, rebuilt, strict=True)
            for key in dict.fromkeys([*before, *after])
            if before.get(key) != after.get(key)
        ]

    def _replay(
        self, connection: Connection, projection: Projection, stream: str, end: int
    ) -> None:
        after, sealing = 0, self._begin(self._database, connection).sealing
        while after < end:
            limit = min(_BATCH, end - after)
            events = outbox.events_of(connection, stream, after=after, limit=limit)
            if not events:
                return
            for event in events:
                projection.apply(Replay(connection, sealing, event.at_ms), event)
            after = events[-1].sequence

    def _projection(self, name: str) -> Projection:
        found = self._known.get(name)
        if found is None or not found.tables:
            have = ", ".join(one for one, known in self._known.items() if known.tables)
            raise ConfigurationError(
                f"There is no projection {name} whose tables can be rebuilt; there is "
                f"{have or 'none at all'}."
            )
        return found


class _Step:
    """Some events of a stream, applied in one transaction. `reached` counts those before the one
    that failed."""

    def __init__(
        self,
        database: Database,
        begin: Begin,
        name: str,
        projection: Projection,
        stream: str,
        rested: bool,
    ) -> None:
        self.name = name
        self.reached = 0
        self.grown: set[str] = set()
        self._database = database
        self._begin = begin
        self._projection = projection
        self._stream = stream
        self._rested = rested

    def run(self, limit: int) -> int:
        """Return how many events were applied."""
        with suppress(CommitAmbiguous):  # cursor and rows are there, or neither is: look again
            return self._run(limit)
        return self._run(limit)

    def _run(self, limit: int) -> int:
        def work(connection: Connection) -> None:
            self.reached = 0
            self.grown = set()
            _shared(self._database, connection, self.name)
            cursor = _locked(self._database, connection, self.name, self._stream)
            if self._rested and cursor.retry_ms > self._database.now_ms(connection):
                return
            for event in outbox.events_of(
                connection, self._stream, after=cursor.sequence, limit=limit
            ):
                transaction = self._begin(self._database, connection).at(event.at_ms)
                self._projection.apply(transaction, event)
                self.grown |= transaction.streams
                self.reached += 1
                last = event.sequence
            if self.reached:
                moved = {"sequence": last, "failures": 0, "retry_ms": 0}
                connection.execute(_of(self.name, self._stream).values(moved))

        self._database.transact(work)
        return self.reached

    def put_off(self) -> None:
        """Let the stream rest, the longer the oftener it has failed."""

        def work(connection: Connection) -> None:
            cursor = _locked(self._database, connection, self.name, self._stream)
            rest = min(1000 * 2 ** min(cursor.failures, _MOST_DOUBLINGS), _LONGEST_REST_MS)
            until = self._database.now_ms(connection) + rest
            moved = {"failures": cursor.failures + 1, "retry_ms": until}
            connection.execute(_of(self.name, self._stream).values(moved))

        self._database.transact(work)


def _of(name: str, stream: str) -> Any:
    return update(table).where(table.c.sink == name, table.c.stream == stream)


def _locked(database: Database, connection: Connection, name: str, stream: str) -> Any:
    """Return a cursor, locked until the transaction ends."""
    return _held(database, connection, name, stream, shared=False)


def _shared(database: Database, connection: Connection, name: str) -> None:
    """Keep rebuilds of a projection out until the transaction ends."""
    _held(database, connection, name, _ALL, shared=True)


def _held(
    database: Database, connection: Connection, name: str, stream: str, *, shared: bool
) -> Any:
    mine = select(table).where(table.c.sink == name, table.c.stream == stream)
    query = mine.with_for_update(read=shared)
    found = connection.execute(query).first()
    if found is None:
        connection.execute(database.dialect.insert_unless_there(table, untouched(name, stream)))
        found = connection.execute(query).one()
    return found


def _rows(connection: Connection, one: Table) -> dict[tuple[Any, ...], Mapping[str, Any]]:
    keys = [column.name for column in one.primary_key]
    rows = connection.execute(select(one)).mappings()
    return {tuple(row[key] for key in keys): dict(row) for row in rows}
