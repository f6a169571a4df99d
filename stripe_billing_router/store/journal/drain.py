"""From the journal into the database: in order, each line exactly once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol

from ...errors import BillingError, LedgerTamperedError, LedgerUnavailableError
from ...frozen import frozen
from ...models import Write
from ...ports import CommitAmbiguous, Event
from ..database import Away, Collision
from .codec import UnknownWrite
from .file import JournalFile, Stamp
from .lines import Line
from .view import begun

LineOutcome = Literal[
    "applied", "rewritten", "proven", "superseded", "known", "skipped", "unsealed"
]
"""`rewritten`: together with its operation's intent, which the database had lost. `known`: the line
was in the database before. `unsealed`: nobody with a key wrote it, so that
nothing was taken from it but that its operation may have been begun."""

_TOGETHER = 100
"""Lines for which the file stays locked; then those who wait to append get their turn."""


_LONGEST_REST = 5.0
"""Seconds for which a line is left alone at most."""


class Lines(Protocol):
    """What a database does for drains."""

    def now_ms(self) -> int: ...
    def identity(self) -> str: ...
    def drained_to(self, journal_id: str) -> int: ...
    def drain(
        self, journal_id: str, line: Line, writes: Sequence[Write], *, skip: bool = False
    ) -> LineOutcome: ...


@frozen
class DrainReport:
    """How many commits were drained, and what became of those whose operation had moved on.

    `proven` are operations that had been given up and happened after all, `superseded` those
    that another process records, `skipped` what people have told to leave out.
    """

    drained: int = 0
    proven: tuple[str, ...] = ()
    superseded: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()


class Drain:
    """Drains one journal into one database."""

    def __init__(
        self,
        file: JournalFile,
        lines: Lines,
        now_ms: Callable[[], int],
        elapsed: Callable[[], float],
        tell: Callable[[Event], None],
    ) -> None:
        self._file = file
        self._lines = lines
        self._now_ms = now_ms
        self._elapsed = elapsed
        self._tell = tell
        self._empty: Stamp | None = None
        self._stuck: tuple[float, str] = (0.0, "")

    def run(
        self, progress: Callable[[int], None] | None = None, skip: int | None = None
    ) -> DrainReport:
        """Drain what there is; the line with the sequence `skip` is left out, and told of.

        LedgerUnavailableError or LedgerTamperedError if a line cannot be drained: it and those
        after it stay where they are. One that the database took long to refuse is left alone for
        as long again, or every caller would wait for the lock that holds it up.
        """
        done: list[tuple[LineOutcome, str]] = []
        while not self._is_empty():
            self._lines.now_ms()  # nobody waits for the file while a database does not answer
            batch: list[tuple[LineOutcome, str]] = []
            try:
                with self._file.locked():
                    self._refuse_while_stuck()
                    self._batch(batch, skip)
            finally:
                self._report(batch)
            done += batch
            if progress is not None:
                progress(len(done))
        if done:
            self._tell(Event("ledger.drained", "info", f"{len(done)} commits of the journal"))
        return DrainReport(len(done), *(_names(done, told) for told in _TOLD))

    def _refuse_while_stuck(self) -> None:
        until, why = self._stuck
        if self._elapsed() < until:
            raise LedgerUnavailableError(why)

    def _is_empty(self) -> bool:
        return self._file.stamp() in (None, self._empty)

    def _batch(self, done: list[tuple[LineOutcome, str]], skip: int | None) -> None:
        file = self._file
        waiting = self._waiting() if file.view.pending else []
        for line in waiting[:_TOGETHER]:
            done.append((self._drained(line, skip=line.sequence == skip), _operation_of(line)))
        if len(waiting) > _TOGETHER:
            return
        file.refuse_damaged()
        if file.last is not None:
            file.finish(self._now_ms())
        self._empty = file.stamp()

    def _waiting(self) -> list[Line]:
        """Return what is not in the database yet. From now on it may be, so that nobody goes by
        what only the journal says."""
        file = self._file
        file.require(self._lines.identity())
        drained_to = self._lines.drained_to(file.journal_id)
        if file.last is not None and file.last.kind != "draining" and file.damage is None:
            file.append("draining", self._now_ms(), {})
        return [line for line in file.view.pending if line.sequence > drained_to]

    def _drained(self, line: Line, *, skip: bool) -> LineOutcome:
        try:
            writes = () if skip else self._file.codec.decoded(line.body["writes"])
            if not line.believed:
                writes = begun(writes)
        except UnknownWrite as unknown:
            why = f"no domain that is installed knows how to do {unknown.args[0]}."
            raise LedgerUnavailableError(self._stopped(line, why)) from None
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise LedgerTamperedError(self._stopped(line, type(error).__name__)) from None
        began = self._elapsed()
        try:
            return self._lines.drain(self._file.journal_id, line, writes, skip=skip)
        except (Away, Collision):
            raise
        except CommitAmbiguous:  # if the line is there, the next drain finds that it is
            raise Away(
                "The ledger's database broke off while the journal was drained, so nothing is "
                "sent. Check that it runs, then call again."
            ) from None
        except BillingError as error:
            why, now = self._stopped(line, str(error)), self._elapsed()
            self._stuck = now + min(now - began, _LONGEST_REST), why
            raise LedgerUnavailableError(why) from None

    def _stopped(self, line: Line, why: str) -> str:
        return (
            f"Line {line.sequence} of the journal {self._file.path} (operation "
            f"{_operation_of(line)}) cannot be drained: {why} Nothing is lost, and nothing new is "
            "sent. Remove the cause, or, once you have settled that operation by hand, run "
            f"`stripe-billing-router ledger drain --skip {line.sequence}`."
        )

    def _report(self, batch: Sequence[tuple[LineOutcome, str]]) -> None:
        for outcome, operation_id in batch:
            if outcome in _EVENTS:
                name, severity, message = _EVENTS[outcome]
                self._tell(Event(name, severity, message, operation_id=operation_id))


_TOLD: tuple[LineOutcome, ...] = ("proven", "superseded", "skipped")

_EVENTS: dict[LineOutcome, tuple[str, Literal["warning", "critical"], str]] = {
    "rewritten": (
        "ledger.intent_lost",
        "critical",
        "the database had lost it; it is written again",
    ),
    "proven": ("operation.proven", "critical", "it had been given up, and has happened"),
    "superseded": (
        "operation.superseded",
        "warning",
        "another process records this operation; what the journal says of it is left out",
    ),
    "unsealed": (
        "operation.escalated",
        "critical",
        "a line of the journal bears no seal of a key in force, so that what it says is not "
        "believed; Stripe is asked what has become of the operation",
    ),
    "skipped": ("operation.unrecorded", "critical", "its line of the journal was skipped"),
}


def _names(done: Sequence[tuple[LineOutcome, str]], told: LineOutcome) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for outcome, name in done if outcome == told))


def _operation_of(line: Line) -> str:
    return str(line.body.get("operation_id"))
