"""The durable memory with a second leg: the journal, while the database is away."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection

from ..errors import BillingError, LedgerUnavailableError
from ..models import (
    BOT_MAY_ASK_FOR_MS,
    CloseOperation,
    OpenOperation,
    Operation,
    OperationState,
    ReopenOperation,
    Reservation,
    Reserve,
    TakeLease,
    Write,
)
from ..ports import Clock, CommitAmbiguous, Event, StaleLease, TwinInDoubt
from ..secrecy import discreet_methods
from .database import Away
from .fallback_reads import FallbackReads
from .journal import Drain, DrainReport, JournalFile, fit
from .journal.codec import subject_of
from .journal.fitness import closes, decides, is_keyless_intent, leaves_doubt, opens
from .journal.view import opened
from .reach import ANSWERS, Reach
from .store import SqlStore
from .transaction import SqlTransaction
from .twins import IN_DOUBT, IsAlive, Twins
from .underway import Underway

_MOST_IN_DOUBT = 4096
"""Operations of this process not seen closed; beyond, nobody could tell an equal call."""

T = TypeVar("T")


@discreet_methods
class FallbackStore(FallbackReads):
    """Implements `ports.Store` over a database and a journal.

    What the journal holds goes into the database before anything else is read or written there.
    While the database is away, the journal takes what is fit for it: outcomes always, new intents
    only as long as this process has heard from the database a moment ago. Outcomes go there also
    if the database refuses them, or breaks off while it commits them.
    """

    def __init__(
        self,
        store: SqlStore,
        journal: Path,
        clock: Clock,
        *,
        is_alive: IsAlive,
        tell: Callable[[Event], None],
        keyless_while_away: bool = True,
    ) -> None:
        super().__init__(store, clock)
        self._keyless_while_away = keyless_while_away
        self._underway = Underway(journal.with_name(f"{journal.name}.underway"))
        self._swept = False
        self._is_alive = is_alive
        self._tell = tell
        self._reach = Reach(clock)
        self._file = JournalFile(journal, tell, store.sealing, store.writes.codec)
        self._drain = Drain(self._file, store, self._estimated_ms, clock.elapsed, tell)
        self._own = Twins()
        self._opened: dict[str, tuple[Operation, dict[str, Reservation]]] = {}
        self._ahead_ms = 0
        self._journaling = False

    def commit(self, *writes: Write) -> None:
        """Do all writes, here or in the journal. What other processes have to know if this one
        dies is noted before, and what they need no more, after that. Then the events of it reach
        the projections: what these do is no part of it, and cannot break it."""
        self._sql.writes.bound(writes)
        with self._noted(writes):
            self._commit_somewhere(writes)
        self._sweep()
        self._sql.project()

    def _commit_somewhere(self, writes: Sequence[Write]) -> None:
        asked = self._asked(writes)
        try:
            self._reach.writing(lambda: self._commit(writes))
        except TwinInDoubt as twin:
            self._own.hear(writes, twin)
            raise
        except Away as away:
            self._journal_instead(writes, away)
        except ANSWERS:
            raise
        except (LedgerUnavailableError, CommitAmbiguous) as refused:
            if not closes(writes):
                raise
            self._journal_instead(writes, refused)
        except BaseException:
            if leaves_doubt(writes):  # or, to other processes, it would seem to be under way
                with suppress(LedgerUnavailableError, StaleLease):
                    self._append(writes)
            raise
        self._own.learn(writes, self._estimated_ms(), asked)
        self._remember(writes)

    def read(self, work: Callable[[Connection], T]) -> T:
        """Return what a domain reads on a connection that sees what is committed."""
        return self._read(lambda: self._sql.read(work))

    def transact(self, work: Callable[[SqlTransaction], T]) -> T:
        """Return what a domain's `work` returns, once what it wrote is durable: never the journal.

        It may be called again if the transaction collides with another.
        """
        done = self._read(lambda: self._sql.transact(work))
        self._sql.project()
        return done

    def catch_up(self) -> None:
        """Bring the projections up to what processes have left that died."""
        self._sql.catch_up()

    def operation(self, operation_id: str) -> Operation | None:
        """Return an operation; while the database is away, one that only the journal knows."""
        try:
            return self._read(lambda: self._sql.operation(operation_id))
        except LedgerUnavailableError:
            held = self._held(operation_id)
            if held is None:
                raise
            return held

    def now_ms(self) -> int:
        """Return the database's time; while it is away, what this host takes it for."""
        try:
            now_ms = self._reach.reading(self._sql.now_ms)
        except Away:
            return self._estimated_ms()
        self._ahead_ms = now_ms - self._clock.now_ms()
        return now_ms

    def drain(
        self, progress: Callable[[int], None] | None = None, skip: int | None = None
    ) -> DrainReport:
        """Bring the journal into the database; `progress` is told how many lines are done.

        `skip` is the sequence of a line that is to be left out.
        """
        try:
            report = self._reach.reading(lambda: self._drain.run(progress, skip))
        except Away as away:
            raise _refused(away) from None
        self._sql.project()
        return report

    def upgrade(self) -> None:
        """Bring the database to this version's schema and put its triggers back."""
        self._sql.upgrade()

    def close(self) -> None:
        self._underway.close()
        self._sql.close()

    # -- what other processes see ---------------------------------------------------------------

    @contextmanager
    def _noted(self, writes: Sequence[Write]) -> Iterator[None]:
        opening = next((w for w in writes if is_keyless_intent(w)), None)
        closing = next((w for w in writes if isinstance(w, CloseOperation)), None)
        begun = opening.operation if isinstance(opening, OpenOperation) else None
        if begun is not None:
            self._underway.begins(begun.operation_id, begun.input_hash)
        if closing is not None and closing.state in IN_DOUBT:
            self._underway.doubts(closing.operation_id)
        try:
            yield
        except (*ANSWERS, LedgerUnavailableError):
            if begun is not None:
                self._underway.ends(begun.operation_id)
            elif closing is not None:
                self._underway.doubts(closing.operation_id)
            raise
        except BaseException:
            subject = begun or closing
            if subject is not None:
                self._underway.doubts(subject.operation_id)
            raise
        if closing is not None and closing.state not in IN_DOUBT:
            self._underway.ends(closing.operation_id)

    def _sweep(self) -> None:
        """Once, when this process has written: what others left behind may be settled by now."""
        if not self._swept and self._reach.heard_lately():
            self._swept = True
            self._underway.sweep(self._is_settled)

    def _is_settled(self, operation_id: str) -> bool:
        """Say whether an operation never was, or its bot had a day to ask what became of it."""
        with suppress(LedgerUnavailableError):
            found = self._sql.operation(operation_id)
            return found is None or (
                found.state not in (*IN_DOUBT, OperationState.PENDING)
                and found.updated_ms < self._estimated_ms() - BOT_MAY_ASK_FOR_MS
            )
        return False

    # -- while the database is there ------------------------------------------------------------

    def _commit(self, writes: Sequence[Write]) -> None:
        try:
            if not decides(writes):
                self._drain.run()
        except Away:
            raise
        except BillingError:
            if opens(writes):
                raise
            if self._waits(str(subject_of(writes))):
                self._append(writes)
                return
        self._sql.commit(*writes)
        self._journaling = False

    def _asked(self, writes: Sequence[Write]) -> str | None:
        """Return what a keyless operation was asked for that is taken over: an equal call has to
        be known also if the database goes away before, or just after, it is settled."""
        for write in writes:
            known = isinstance(write, TakeLease) and self._own.input_hash(write.operation_id)
            if isinstance(write, TakeLease) and not known:
                with suppress(LedgerUnavailableError):
                    taken = self.operation(write.operation_id)
                    if taken is not None and taken.idempotency_key is None:
                        return taken.input_hash
        return None

    def _read(self, read: Callable[[], T]) -> T:
        """What the journal holds is read as well; one that cannot be drained hides nothing else."""

        def drain_and_read() -> T:
            try:
                self._drain.run()
            except Away:
                raise
            except BillingError:
                return read()
            return read()

        try:
            return self._reach.reading(drain_and_read)
        except Away as away:
            raise _refused(away) from None

    # -- while it is away -----------------------------------------------------------------------

    def _journal_instead(
        self, writes: Sequence[Write], away: LedgerUnavailableError | CommitAmbiguous
    ) -> None:
        new = any(isinstance(write, OpenOperation) for write in writes)
        knows = self._reach.heard_lately() and len(self._own) < _MOST_IN_DOUBT
        if new and not (self._keyless_while_away and knows):
            raise _refused(away) from None
        if not self._is_fit(writes) and (new or self._file.stamp() is None):
            raise _refused(away) from None
        try:
            self._append(writes, away)
        except LedgerUnavailableError as error:
            if error.args == away.args:
                raise _refused(away) from None
            raise LedgerUnavailableError(
                f"Neither the ledger's database nor its journal can be written. {away} {error}"
            ) from None
        if not self._journaling:
            self._journaling = True
            what = "is away" if isinstance(away, Away) else "refuses an outcome"
            message = f"the ledger's database {what}, the journal {self._file.path} is in use"
            self._tell(Event("ledger.journaled", "warning", message))

    def _append(
        self,
        writes: Sequence[Write],
        away: LedgerUnavailableError | CommitAmbiguous | None = None,
    ) -> None:
        """Write to the journal, by the rules that the tables have for what they hold."""
        now_ms = self._estimated_ms()
        ledger = self._sql.identity()
        with self._file.locked():
            self._file.refuse_damaged()
            view = self._file.view
            if not self._is_fit(writes, view.held):
                raise _refused(away)
            view.check(writes, now_ms)
            for write in writes:
                if isinstance(write, OpenOperation):
                    for twins in (self._own, view.twins):
                        twins.refuse(write.operation.input_hash, now_ms, self._is_alive)
                    self._underway.refuse(write.operation.input_hash, self._is_alive)
            self._file.begin(ledger, now_ms)
            self._file.append("writes", now_ms, self._body(writes))

    def _remember(self, writes: Sequence[Write]) -> None:
        """Know the intents of calls that this process has under way, and what they hold, until
        they are closed. Those it has only read might be anybody's: none is written again, and
        sealed, for having been there."""
        for write in writes:
            if isinstance(write, OpenOperation | ReopenOperation):
                self._opened[write.operation.operation_id] = opened(write, self._estimated_ms()), {}
            elif isinstance(write, Reserve) and write.operation_id in self._opened:
                self._opened[write.operation_id][1][write.reservation.counter] = write.reservation
            elif isinstance(write, CloseOperation):
                self._opened.pop(write.operation_id, None)
        if len(self._opened) > _MOST_IN_DOUBT:  # what began first has most likely ended
            del self._opened[next(iter(self._opened))]

    def _with_intent(self, write: Write) -> Write:
        if not isinstance(write, CloseOperation) or write.operation_id not in self._opened:
            return write
        intent, holds = self._opened[write.operation_id]
        return replace(write, intent=intent, holds=tuple(holds.values()))

    def _body(self, writes: Sequence[Write]) -> dict[str, object]:
        """With what was asked for, so that other processes know an equal call."""
        operation_id = subject_of(writes)
        return {
            "operation_id": operation_id,
            "input_hash": self._own.input_hash(str(operation_id)),
            "writes": self._file.codec.encoded([self._with_intent(write) for write in writes]),
        }

    def _is_fit(self, writes: Sequence[Write], held: Container[str] = ()) -> bool:
        return fit(writes, held, self._file.codec)

    def _waits(self, operation_id: str) -> bool:
        """Say whether an operation's intent is in the journal and not in the database yet."""
        with suppress(LedgerUnavailableError):
            with self._file.locked():
                journaled = operation_id in self._file.view.begun
            return journaled and self._sql.operation(operation_id) is None
        return False

    def _held(self, operation_id: str) -> Operation | None:
        with suppress(LedgerUnavailableError):
            if self._file.stamp() is not None:
                with self._file.locked():
                    held = self._file.view.held.get(operation_id)
                return None if held is None else self._sql.sealing.sealed(held)
        return None

    def _estimated_ms(self) -> int:
        return self._clock.now_ms() + self._ahead_ms


def _refused(away: Exception | None) -> LedgerUnavailableError:
    return LedgerUnavailableError(str(away))
