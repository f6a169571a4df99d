"""Connections, transactions and what is special about each database."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from threading import Lock
from time import time
from types import TracebackType
from typing import Any

from sqlalchemy import Connection, Engine, make_url, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ..errors import ConfigurationError, LedgerUnavailableError
from ..ports import Clock, CommitAmbiguous
from .dialects import LOCK_TIMEOUT, Dialect, dialect_of
from .prepared import Prepared
from .queue import WriterQueue

_WRITES = {"writes": True}

_TRIES = 5


class Collision(LedgerUnavailableError):
    """A transaction lost against another one; nothing of it was committed."""


class Away(LedgerUnavailableError):
    """The database cannot be reached or has no room; nothing was committed."""


class Database:
    """One database, safe for threads and after `fork`.

    `write()` is a transaction that is durable when it ends; `read()` sees committed rows only.
    A statement waits `lock_timeout` seconds for what others have locked.
    """

    def __init__(self, url: str, clock: Clock, lock_timeout: float = LOCK_TIMEOUT) -> None:
        self._clock = clock
        self.dialect, self.engine = _opened(url, lock_timeout)
        self._now_ms = Prepared(text(self.dialect.now_ms)) if self.dialect.now_ms else None
        self._translated = _Translated(self.dialect)
        self._queue = WriterQueue(self.write)
        self._writing = Lock() if self.dialect.one_writer else None
        self._idle: list[tuple[float, Connection]] = []
        self._parents: list[tuple[float, Connection]] = []
        self.dialect.before_fork(self._close_what_is_idle)
        _at_fork(self)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Run a transaction. An error before COMMIT leaves nothing; CommitAmbiguous if it breaks
        off during COMMIT."""
        with self._writing or nullcontext(), self._kept() as connection:
            connection.begin()
            try:
                self.dialect.refuse_replaced(connection)  # also if BEGIN has waited for a lock
                yield connection
            except BaseException:
                connection.rollback()
                raise
            try:
                connection.commit()
            except BaseException as error:
                connection.invalidate()  # or the pool would keep what may still be open
                if not isinstance(error, DBAPIError):
                    raise
                if self.dialect.is_undone(_driver_error(error)):
                    raise
                raise CommitAmbiguous(_short(error)) from None
            try:
                self.dialect.refuse_replaced(connection)
            except LedgerUnavailableError as gone:
                raise CommitAmbiguous(str(gone)) from None

    def transact(self, work: Callable[[Connection], None]) -> None:
        """Run `work` in a transaction, again if it collides with another."""
        if self.dialect.one_writer:
            with self._translated:
                self._queue.run(work)
            return
        for tries_left in reversed(range(_TRIES)):
            try:
                with self.write() as connection:
                    work(connection)
                return
            except Collision:
                if not tries_left:
                    raise

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a connection for reading."""
        with self.dialect.in_use(), self._translated:
            # Of a server's connections, a thread needs one, and not another that writers keep.
            kept = None if self.dialect.one_writer else self._kept_connection()
            if kept is not None:
                _give_back(kept)
            connection = self.engine.connect()
            try:
                yield connection
            finally:
                _give_back(connection)

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Open a connection whose queries all see what was committed at the first of them."""
        with self.read() as connection:
            if not self.dialect.one_writer:  # SQLite's transactions are so anyway
                connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection

    @contextmanager
    def glance(self) -> Iterator[Connection]:
        """Open a connection for one statement of `prepared`: one that a writer keeps. Where only
        one can write, and does so now, it is another."""
        writing = self._writing
        # Only `with` lets a lock go however it is interrupted; at worst it waits for one commit.
        if writing is not None and writing.locked():
            with self.read() as connection:
                yield connection
        elif writing is not None:
            with writing, self._kept() as connection:
                yield connection
        else:
            with self._kept() as connection:
                connection.begin()
                yield connection
                try:
                    connection.rollback()
                except SQLAlchemyError:  # what was asked is answered, but it may still be open
                    connection.invalidate()

    def now_ms(self, connection: Connection) -> int:
        """Return the time by which leases are kept: the server's; SQLite's is this host's."""
        if self._now_ms is None:
            return self._clock.now_ms()
        return int(self._now_ms.scalar(connection, {}))

    def close(self) -> None:
        """Whoever writes is not waited for: it may be what a signal has interrupted to close."""
        writing = self._writing
        if writing is not None and writing.locked():
            with self.dialect.in_use():
                self.engine.dispose()
        else:
            with writing or nullcontext(), self.dialect.in_use():
                self._close_what_is_idle()

    def _close_what_is_idle(self) -> None:
        with suppress(IndexError):  # another thread was quicker
            while self._idle:
                _give_back(self._idle.pop()[1])
        self.engine.dispose()

    @contextmanager
    def _kept(self) -> Iterator[Connection]:
        """Writers keep some connections, as long as nothing goes wrong on them: to take one from
        the pool costs more than many a statement."""
        with self.dialect.in_use(), self._translated:
            connection = self._kept_connection() or self._connection_to_write()
            try:
                yield connection
            except BaseException:
                _give_back(connection)
                raise
            if len(self._idle) < self.dialect.writers_kept and not self._is_pool_empty():
                self._idle.append((time(), connection))
            else:
                _give_back(connection)

    def _kept_connection(self) -> Connection | None:
        """Return one that is known to live; the pool asks the others before it gives them out."""
        try:
            since, connection = self._idle.pop()
        except IndexError:
            return None
        if self.dialect.lives(connection, since):
            return connection
        _give_back(connection)
        return None  # to ask the others too could take as often as long as a dead server takes

    def _is_pool_empty(self) -> bool:
        """Whoever waits for a server's pool hears of no connection but those it is given back."""
        pool: Any = self.engine.pool
        return not self.dialect.one_writer and pool.checkedout() >= pool.size()

    def _connection_to_write(self) -> Connection:
        connection = self.engine.connect()
        # Only SQLite's transactions have to say it when they begin.
        return connection.execution_options(**_WRITES) if self.dialect.one_writer else connection

    def _forget_parents_connections(self) -> None:
        self._queue = WriterQueue(self.write)
        self._writing = Lock() if self.dialect.one_writer else None
        # Let go, they would return to the pool, whose lock a thread may have held that is not here.
        self._parents += self._idle
        self._idle = []
        self.engine.dispose(close=False)


class _Translated:
    """Raises what SQLAlchemy raises as this library's errors. It keeps nothing: one is enough."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    def __enter__(self) -> None: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, SQLAlchemyError):
            what = f"The ledger's database cannot be used ({_short(error)}), so nothing is sent"
            forbidden = self._dialect.forbidden(_driver_error(error))
            raise self._kind(error)(
                f"{what}: {forbidden}."
                if forbidden
                else f"{what}. Check that it runs and that its disk has room; then call again."
            ) from None

    def _kind(self, error: SQLAlchemyError) -> type[LedgerUnavailableError]:
        cause = _driver_error(error)
        if self._dialect.is_collision(cause):
            return Collision
        lost = isinstance(error, DBAPIError) and error.connection_invalidated
        return Away if lost or self._dialect.is_away(cause) else LedgerUnavailableError


def _give_back(connection: Connection) -> None:
    """What was asked of it is answered: that the server has gone since is no failure of that."""
    try:
        connection.close()
    except SQLAlchemyError:
        with suppress(SQLAlchemyError):
            connection.invalidate()
            connection.close()


def _opened(url: str, lock_timeout: float) -> tuple[Dialect, Engine]:
    try:
        parsed = make_url(url)
        dialect = dialect_of(parsed)
        return dialect, dialect.engine(parsed, lock_timeout)
    except ImportError:
        extra = "postgres" if parsed.get_backend_name() == "postgresql" else "mysql"
        why = (
            "The driver of the ledger's database is not installed. Run `pip install "
            f"'stripe-billing-router[{extra}]'`, or install the driver that the URL names."
        )
    except (SQLAlchemyError, ValueError):
        why = (
            "The ledger's URL cannot be used. Set STRIPE_LEDGER_URL to an SQLAlchemy URL such as "
            "sqlite:///finance_logs/stripe_ledger.db."
        )
    raise ConfigurationError(why, faults=(("STRIPE_LEDGER_URL", "cannot be used"),))


def _driver_error(error: SQLAlchemyError) -> BaseException:
    original = error.orig if isinstance(error, DBAPIError) else None
    return original if original is not None else error


def _short(error: SQLAlchemyError) -> str:
    """The driver's message names no parameters, unlike SQLAlchemy's."""
    cause = _driver_error(error)
    return f"{type(cause).__name__}: {(str(cause).splitlines() or [''])[0]}"


def _at_fork(database: Database) -> None:
    held = weakref.ref(database)

    def forget() -> None:
        known = held()
        if known is not None:
            known._forget_parents_connections()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=forget)
