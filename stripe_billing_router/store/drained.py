"""What a drain of the journal does in the database: a line's writes, and that they are done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError

from ..errors import LedgerTamperedError
from ..models import CloseOperation, OpenOperation, OperationState, Write
from ..ports import DuplicateOperation, StaleLease
from . import operations
from .codec import Sealing, operation_row
from .journal import Line
from .journal.drain import LineOutcome
from .journal.view import opened
from .schema import journal
from .schema import operations as table

Apply = Callable[[Write], None]

_GIVEN_UP = frozenset({OperationState.UNKNOWN, OperationState.ABANDONED})


class DrainedBefore(Exception):
    """The line is in the database already; nothing of it was written now."""


def drained_to(connection: Connection, journal_id: str, sealing: Sealing) -> int:
    """Return the sequence of the last line that is in the database, or 0."""
    notes = select(journal).where(journal.c.journal_id == journal_id)
    newest = notes.order_by(journal.c.sequence.desc()).limit(1)
    row = connection.execute(newest).first()
    while row is not None and not _is_noted(row, sealing):
        row = connection.execute(newest.where(journal.c.sequence < row.sequence)).first()
    return 0 if row is None else int(row.sequence)


def _is_noted(row: Any, sealing: Sealing) -> bool:
    """Say whether a holder of a key has drained the line; who has none would have it left out."""
    return sealing.believes(row.seal, _noted(row.journal_id, row.sequence, row.outcome))


def _noted(journal_id: str, sequence: int, outcome: str) -> str:
    return f"{journal_id} {sequence} {outcome}"


def note(
    connection: Connection,
    journal_id: str,
    line: Line,
    outcome: LineOutcome,
    now_ms: int,
    sealing: Sealing,
) -> None:
    """Write down, in the transaction of its writes, what became of a line.

    DrainedBefore if it is there; LedgerTamperedError if somebody without a key said so.
    """
    row = {
        "journal_id": journal_id,
        "sequence": line.sequence,
        "outcome": outcome,
        "drained_ms": now_ms,
        "seal": sealing.line(_noted(journal_id, line.sequence, outcome)),
    }
    there = journal.c.journal_id == journal_id, journal.c.sequence == line.sequence
    known = connection.execute(select(journal).where(*there)).first()
    if known is not None and line.believed and not _is_noted(known, sealing):
        raise LedgerTamperedError(
            "Somebody without a key has marked it as drained; find out who writes to "
            "stripe_journal."
        )
    try:
        connection.execute(insert(journal).values(**row))
    except IntegrityError:
        raise DrainedBefore from None


def apply_line(
    connection: Connection,
    line: Line,
    writes: Sequence[Write],
    now_ms: int,
    apply: Apply,
    sealing: Sealing,
) -> LineOutcome:
    """Do a line's writes if its operation still is what the writer believed.

    An effect that Stripe has proven is recorded even if the operation was given up meanwhile. An
    intent that the database has lost is written again: nothing else tells of the payment.
    """

    def at_its_time(write: Write) -> None:
        if isinstance(write, OpenOperation):
            _open(connection, write, line.at_ms, now_ms, sealing)
        else:
            apply(write)

    lost = any(map(partial(_is_lost, connection), writes))
    if _all(connection, writes, at_its_time):
        return "rewritten" if lost else "applied"
    proven = [_unconditional(connection, write) for write in writes]
    if None not in proven and _all(connection, [w for w in proven if w], at_its_time):
        return "proven"
    return "superseded"


def apply_unsealed(connection: Connection, writes: Sequence[Write], now_ms: int) -> LineOutcome:
    """Have what a line without a seal may have begun looked up: in doubt, and sent by nobody."""
    for write in writes:
        if isinstance(write, OpenOperation):
            doubted = replace(
                write.operation,
                state=OperationState.UNKNOWN,
                outputs=(),
                outcome=None,
                created_ms=now_ms,
                started_ms=now_ms,
                updated_ms=now_ms,
                seal=None,
            )
            with connection.begin_nested() as savepoint:
                try:
                    connection.execute(insert(table), operation_row(doubted))
                except IntegrityError:
                    savepoint.rollback()  # of this one there is a record already
    return "unsealed"


def _all(connection: Connection, writes: Sequence[Write], apply: Apply) -> bool:
    """Do all writes, or none of them."""
    with connection.begin_nested() as savepoint:
        try:
            for write in writes:
                apply(write)
        except (StaleLease, DuplicateOperation):
            savepoint.rollback()
            return False
    return True


def _is_lost(connection: Connection, write: Write) -> bool:
    """Say whether a write closes an operation whose intent it has to write again."""
    if not isinstance(write, CloseOperation) or write.intent is None:
        return False
    return operations.load(connection, write.operation_id) is None


def _unconditional(connection: Connection, write: Write) -> Write | None:
    """Return a write as it may be done without the lease; None if it may not."""
    if not isinstance(write, CloseOperation):
        return None if hasattr(write, "lease_token") else write
    stored = operations.load(connection, write.operation_id)
    proven = write.outcome is not None and write.outcome.stripe_id is not None
    if stored is None or not proven or stored.state not in _GIVEN_UP:
        return None
    return write.over(stored)


def _open(
    connection: Connection, write: OpenOperation, at_ms: int, now_ms: int, sealing: Sealing
) -> None:
    """Insert an intent with its own time. It has happened, so nothing refuses it; its sender may
    still be at it, so that its lease begins now, which is never too early to end."""
    until_ms = now_ms + write.lease_ms
    row = operation_row(replace(opened(write, at_ms), updated_ms=now_ms, lease_until_ms=until_ms))
    try:
        connection.execute(insert(table), {**row, "seal": sealing.intent(row)})
    except IntegrityError:
        raise DuplicateOperation(write.operation.operation_id) from None
