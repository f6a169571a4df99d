"""The durable memory: compose writes, commit them together."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, select

from ..domain import Domain
from ..errors import ConfigurationError, LedgerTamperedError
from ..hashing import digest
from ..locks import ForkSafeLock
from ..models import (
    Approval,
    ApprovalState,
    Counted,
    Declared,
    Freeze,
    LedgerEntry,
    Operation,
    OperationState,
    Usage,
    Verbs,
    Write,
)
from ..ports import Clock, Proof
from ..secrecy import attempt
from . import approvals, budgets, counted, drained, inbox, ledger, migrate, operations
from .anomalies import AnomalyDB
from .books import Books
from .codec import Sealing
from .condition import foreign
from .counted import Limits, unlimited
from .cursors import Outbox
from .database import Database
from .dialects import LOCK_TIMEOUT
from .discrepancies import DiscrepancyDB
from .journal.drain import LineOutcome
from .journal.lines import Line
from .migrate import schemas_of
from .projecting import Projections, projections_of
from .schema import binding
from .transacting import transacted
from .transaction import SqlTransaction
from .twins import IsAlive
from .writes import Writes

_log = logging.getLogger(__name__)

_LEFT_ALONE = 60.0
"""Seconds for which a process leaves projections to others that the database refuses it."""

_MOST_NAMED = 100
"""Operations looked at for one Stripe id: whoever adds entries chooses what they name."""

R = TypeVar("R")


class SqlStore:
    """Implements `ports.Store` over SQLAlchemy. The database is opened at first use.

    A ledger belongs to the account and API base it was made for, so that a demonstration's rows
    never mix with real ones. `any_api_base` opens it all the same, for who talks to no Stripe.
    """

    def __init__(
        self,
        url: str,
        clock: Clock,
        *,
        account_id: str,
        api_base: str,
        any_api_base: bool = False,
        is_alive: IsAlive = lambda owner, operation_id: True,  # noqa: ARG005 - nobody can tell
        lock_timeout: float = LOCK_TIMEOUT,
        sealing: Sealing | None = None,
        domains: Sequence[Domain] = (),
        verbs: Verbs[Any] | None = None,
    ) -> None:
        self.writes = Writes(domains)
        self._verbs: Verbs[Declared] = verbs or Verbs()
        self._schemas = schemas_of(domains)
        self._projections = projections_of(domains)
        self._grown = threading.local()
        self._left_alone_until = 0.0
        self._url = url
        self._clock = clock
        self._account_id = account_id
        self._api_base = api_base
        self._any_api_base = any_api_base
        self._is_alive = is_alive
        self._lock_timeout = lock_timeout
        self.sealing = sealing or Sealing()
        self._opened: Database | None = None
        self._identity: str | None = None
        self._opening = ForkSafeLock()

    def commit(self, *writes: Write) -> None:
        database, bound = self._database(), self.writes.bound(writes)
        grown: set[str] = set()

        def work(connection: Connection) -> None:
            transaction = self._transaction(database, connection)
            for apply, write in bound:
                apply(transaction, write)
            grown.update(transaction.streams)

        database.transact(work)
        self._note_grown(grown)

    def read(self, work: Callable[[Connection], R]) -> R:
        """Return what a domain reads on a connection that sees what is committed."""
        with self._database().read() as connection:
            return work(connection)

    def transact(self, work: Callable[[SqlTransaction], R]) -> R:
        """Return what a domain's `work` returns, once what it wrote is durable. It may be called
        again if the transaction collides with another."""
        database, grown = self._database(), set[str]()

        def apply(connection: Connection, now_ms: int) -> R:
            transaction = self._transaction(database, connection).at(now_ms)
            done = work(transaction)
            grown.update(transaction.streams)
            return done

        done = transacted(database, apply)
        self._note_grown(grown)
        return done

    def project(self) -> None:
        """Bring the projections up to the events that this thread has added. What they raise is
        logged: the events stay, for the worker and for the next call. Where this login may not
        move their cursors, it is the worker's alone for a while."""
        if not self._projections or self._clock.elapsed() < self._left_alone_until:
            return
        if grown := self._grown.__dict__.pop("streams", None):
            attempt(_log, "projections wait", lambda: self._reach(grown))

    def catch_up(self) -> None:
        """Bring the projections up to all events, wherever they were written."""
        if self._projections:
            attempt(_log, "projections wait", lambda: self.projections.catch_up())

    def _reach(self, streams: set[str]) -> None:
        projections = self.projections
        try:
            projections.reach(streams)
        except Exception:
            self._note_grown(streams)  # for the next call in this thread
            raise
        finally:
            if projections.is_refused:
                self._left_alone_until = self._clock.elapsed() + _LEFT_ALONE

    def _note_grown(self, streams: set[str]) -> None:
        if self._projections and streams:
            self._grown.__dict__.setdefault("streams", set()).update(streams)

    def operation(self, operation_id: str) -> Operation | None:
        with self._database().glance() as connection:
            return operations.load(connection, operation_id)

    def operations(
        self,
        *,
        states: Iterable[OperationState] | None = None,
        bot_id: str | None = None,
        limit: int = 100,
        newest_first: bool = True,
        after: tuple[int, str] | None = None,
    ) -> list[Operation]:
        """Return a page of operations; `after` is `(created_ms, operation_id)` of the last one."""
        with self._database().read() as connection:
            return operations.find(
                connection,
                states=states,
                bot_id=bot_id,
                limit=limit,
                newest_first=newest_first,
                after=after,
            )

    def proof(self, operation: Operation) -> Proof:
        return self.sealing.proof(operation)

    def told_of(self, operation: Operation) -> frozenset[str]:
        """Return every status that the ledger has told of an operation."""
        with self._database().read() as connection:
            return ledger.told_of(connection, operation.operation_id, str(operation.bot))

    def payments(self, stripe_id: str, bot_id: str) -> list[LedgerEntry]:
        """Return the bot's ledger entries that have this Stripe id, or mention it anywhere."""
        with self._database().read() as connection:
            return ledger.payments(connection, stripe_id, bot_id)

    def freezes(self, scopes: Sequence[str] | None = None) -> list[Freeze]:
        database = self._database()
        with database.read() if scopes is None else database.glance() as connection:
            return budgets.active(connection, scopes)

    def freeze_history(self, limit: int = 100) -> list[Freeze]:
        """Return freezes, those that were ended too, the newest first."""
        with self._database().read() as connection:
            return budgets.history(connection, limit)

    def approvals(
        self,
        *,
        approval_id: str | None = None,
        operation_id: str | None = None,
        bot_id: str | None = None,
        input_hash: str | None = None,
        states: Iterable[ApprovalState] | None = None,
        limit: int = 100,
    ) -> list[Approval]:
        """Return approvals, the newest first; one whose time is over reads as expired."""
        database = self._database()
        with database.read() as connection:
            return approvals.find(
                connection,
                database.now_ms(connection),
                approval_id=approval_id,
                operation_id=operation_id,
                bot_id=bot_id,
                input_hash=input_hash,
                states=states,
                limit=limit,
            )

    def budgets(
        self, counters: Sequence[str] | None = None, *, starts_ms: Sequence[int] | None = None
    ) -> list[Usage]:
        """Return what is used of counters, in windows that began at `starts_ms`, the newest window
        first; of all, if None."""
        with self._database().read() as connection:
            return budgets.usage(connection, counters, starts_ms)

    def set_back(self, since_ms: int, limits: Limits = unlimited) -> list[Counted]:
        """Return the budgets' counters below what sealed operations hold of them, and those
        of which these hold more than `limits` lets, in the windows that were open at any time since
        `since_ms`."""
        database = self._database()
        with database.read() as connection:
            now_ms = database.now_ms(connection)
            found = counted.set_back(
                connection, self.sealing, self._verbs, limits, now_ms, since_ms
            )
            return list(found)

    def operation_of(self, stripe_id: str) -> str | None:
        """Return the operation that the ledger's entries with this Stripe id belong to, or None:
        of several, the one that made it, as far as that is proven."""
        with self._database().read() as connection:
            named = ledger.operations_of(connection, stripe_id, _MOST_NAMED)
            made = self._maker_of(connection, stripe_id, named)
        return made.operation_id if made is not None else next(iter(named), None)

    def maker_of(self, stripe_id: str) -> Operation | None:
        """Return the operation whose sealed outcome is this object, or None."""
        with self._database().read() as connection:
            named = ledger.operations_of(connection, stripe_id, _MOST_NAMED)
            made = self._maker_of(connection, stripe_id, named)
        if made is None and len(named) == _MOST_NAMED:
            raise LedgerTamperedError(
                f"Entries of {_MOST_NAMED} operations have the id {stripe_id}, and none of the "
                "oldest has made it. Find out who writes to stripe_ledger, and settle it in "
                "Stripe."
            )
        return made

    def _maker_of(
        self, connection: Connection, stripe_id: str, named: Iterable[str]
    ) -> Operation | None:
        found = (operations.load(connection, name) for name in named)
        return next((known for known in found if self._has_made(known, stripe_id)), None)

    def _has_made(self, operation: Operation | None, stripe_id: str) -> bool:
        told = operation.outcome if operation is not None else None
        if operation is None or told is None or told.stripe_id != stripe_id:
            return False
        return self.proof(operation).may_be_told

    def now_ms(self) -> int:
        database = self._database()
        with database.read() as connection:
            return database.now_ms(connection)

    def identity(self) -> str:
        """Return what tells this ledger from every other; LedgerUnavailableError if unknown yet."""
        if self._identity is None:
            self._database()
        return str(self._identity)

    def drained_to(self, journal_id: str) -> int:
        """Return up to which line a journal is in the database."""
        with self._database().read() as connection:
            return drained.drained_to(connection, journal_id, self.sealing)

    def drain(
        self, journal_id: str, line: Line, writes: Sequence[Write], *, skip: bool = False
    ) -> LineOutcome:
        """Do the writes of a journal's line, and note it, in one transaction; but only once."""
        database = self._database()
        outcomes: list[LineOutcome] = ["known"]
        grown: set[str] = set()

        def work(connection: Connection) -> None:
            transaction = self._transaction(database, connection)
            now_ms = transaction.now_ms

            def apply(write: Write) -> None:
                ((do, _),) = self.writes.bound([write])
                do(transaction, write)

            if line.believed:
                found = drained.apply_line(connection, line, writes, now_ms, apply, self.sealing)
            else:
                found = drained.apply_unsealed(connection, writes, now_ms)
            outcomes.append("skipped" if skip else found)
            drained.note(connection, journal_id, line, outcomes[-1], now_ms, self.sealing)

            grown.update(transaction.streams)

        try:
            database.transact(work)
        except drained.DrainedBefore:
            return "known"
        self._note_grown(grown)
        return outcomes[-1]

    @property
    def ledger(self) -> ledger.StripeLedger:
        return ledger.StripeLedger(self._database())

    @property
    def outbox(self) -> Outbox:
        return Outbox(self._database())

    @property
    def projections(self) -> Projections:
        return Projections(self._database(), self._projections, self._transaction)

    @property
    def books(self) -> Books:
        return Books(self._database(), self._verbs)

    @property
    def discrepancies(self) -> DiscrepancyDB:
        return DiscrepancyDB(self._database())

    @property
    def anomalies(self) -> AnomalyDB:
        return AnomalyDB(self._database())

    @property
    def inbox(self) -> inbox.SqlInbox:
        return inbox.SqlInbox(self._database(), self.sealing)

    def upgrade(self) -> None:
        """Bring the database to this version's schema and put its triggers back."""
        database = Database(self._url, self._clock, self._lock_timeout)
        try:
            migrate.upgrade(database, self._schemas)
        finally:
            database.close()

    def close(self) -> None:
        with self._opening:
            if self._opened is not None:
                self._opened.close()
                self._opened = None

    def _transaction(self, database: Database, connection: Connection) -> SqlTransaction:
        return SqlTransaction(database, connection, self.sealing, self._is_alive, self._verbs)

    def _database(self) -> Database:
        opened = self._opened
        return opened if opened is not None else self._open()

    def _open(self) -> Database:
        with self._opening:
            if self._opened is None:
                self._opened = self._ready()
            return self._opened

    def _ready(self) -> Database:
        database = Database(self._url, self._clock, self._lock_timeout)
        try:
            migrate.ensure(database, self._schemas)
            self._bind(database)
        except BaseException:
            database.close()
            raise
        return database

    def _bind(self, database: Database) -> None:
        with database.read() as connection:
            bound = connection.execute(select(binding)).first()
        if bound is None:
            with database.write() as connection:
                connection.execute(database.dialect.insert_unless_there(binding, self._binding()))
                bound = connection.execute(select(binding)).one()
        self._identity = digest([bound.account_id, bound.api_base, bound.created_ms])
        base = bound.api_base if self._any_api_base else self._api_base
        wrong = foreign((bound.account_id, bound.api_base), (self._account_id, base))
        if wrong is not None:
            raise ConfigurationError(
                wrong, faults=(("STRIPE_LEDGER_URL", "belongs to another account or API base"),)
            )

    def _binding(self) -> dict[str, object]:
        return {
            "id": 1,
            "account_id": self._account_id,
            "api_base": self._api_base,
            "created_ms": self._clock.now_ms(),
        }
