"""A fair queue of writers, for a database that lets only one write at a time.

Writers that wait while another commits share the next commit: one synchronisation of the disk for
all of them. Each still returns only after its own rows are durable, and fails alone.
"""

from __future__ import annotations

import copy
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from threading import Event, Lock

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from ..ports import CommitAmbiguous
from .prepared import Prepared

Work = Callable[[Connection], None]

_MOST_TOGETHER = 64

# The next one of the same name hides the one before, should that have been rolled back to.
_SAVEPOINT = Prepared(text("SAVEPOINT writer"))
_RELEASE = Prepared(text("RELEASE writer"))
_ROLLBACK = Prepared(text("ROLLBACK TO writer"))


class _Job:
    """One writer's work, and what became of it."""

    __slots__ = ("error", "leads", "woken", "work")

    def __init__(self, work: Work) -> None:
        self.work = work
        self.error: BaseException | None = CommitAmbiguous("interrupted")
        self.leads = False
        self.woken: Event | None = None


class WriterQueue:
    """Runs works in the order of their arrival; `transaction` opens one that can write."""

    def __init__(self, transaction: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._transaction = transaction
        self._waiting: list[_Job] = []
        self._lock = Lock()
        self._led = False

    def run(self, work: Work) -> None:
        """Run `work` in a transaction; raise what it, or the commit, raises."""
        job = _Job(work)
        try:
            self._queue_up(job)
            if job.woken is not None:
                job.woken.wait()
            if job.leads:
                self._lead()
        except BaseException:
            self._leave(job)
            raise
        if job.error is not None:
            raise job.error

    def _queue_up(self, job: _Job) -> None:
        with self._lock:
            if self._led:
                job.woken = Event()
            else:
                job.leads = self._led = True
            self._waiting.append(job)

    def _leave(self, job: _Job) -> None:
        """Whoever is interrupted must not be waited for. To hand over twice does no harm: who leads
        at the same time waits for the other's transaction."""
        with self._lock:
            if job in self._waiting:
                self._waiting.remove(job)
        if job.leads:
            self._hand_over()

    def _lead(self) -> None:
        """Commit for all who wait, then hand over to the first of those who came meanwhile."""
        batch: list[_Job] = []
        try:
            with self._lock:
                waiting = self._waiting
                batch, self._waiting = waiting[:_MOST_TOGETHER], waiting[_MOST_TOGETHER:]
            self._commit(batch)
        finally:
            try:
                self._hand_over()
            finally:
                for job in batch:
                    _wake(job)

    def _hand_over(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting[0].leads = True
                _wake(self._waiting[0])
            else:
                self._led = False

    def _commit(self, batch: Sequence[_Job]) -> None:
        try:
            with self._transaction() as connection:
                errors = [_attempt(job, connection, alone=len(batch) == 1) for job in batch]
        except Exception as error:  # noqa: BLE001 - every writer of the batch has to hear of it
            for job in batch:
                job.error = copy.copy(error)  # an error is given the operation it is about
        else:
            for job, failed in zip(batch, errors, strict=True):
                job.error = failed


def _wake(job: _Job) -> None:
    if job.woken is not None:  # who leads from the beginning waits for nobody
        job.woken.set()


def _attempt(job: _Job, connection: Connection, *, alone: bool) -> Exception | None:
    """Run one work; if it fails, what it wrote is undone, and only that.

    An error of the database itself ends the whole batch, for it may have ended the transaction;
    one of a single statement (a constraint, bad SQL) does not: a domain's mistake is its own.
    """
    if alone:
        job.work(connection)
        return None
    _SAVEPOINT.change(connection, {})
    try:
        job.work(connection)
    except Exception as error:
        if isinstance(error, DBAPIError) and not _is_one_statements(error):
            raise
        _ROLLBACK.change(connection, {})
        return error
    _RELEASE.change(connection, {})
    return None


def _is_one_statements(error: DBAPIError) -> bool:
    """Say whether SQLite has refused a statement and gone on with the transaction."""
    code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT)
