"""`stripe_outbox`: what hosts are told, written in the transaction that it tells about.

Every ledger entry is one event. So is an operation left in doubt, which has no entry yet, and what
domains emit. Each bot's stream ends in one row, whose lock puts its writers one after another.
"""

from __future__ import annotations

import secrets
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select, update

from ..hashing import GENESIS
from ..models import (
    SYSTEM_STREAM,
    BillingEvent,
    Declared,
    EventDraft,
    LedgerEntry,
    OperationState,
    Verbs,
)
from .dialects import Dialect
from .outbox_schema import outbox as table
from .prepared import Prepared
from .schema import heads, operations

_STATES = frozenset(map(str, OperationState))
_DOUBT = "operation.unknown"
_INSERT = Prepared(insert(table))
_FIELDS = [column.name for column in table.c if column.name != "stream"]


def locked_head(dialect: Dialect, connection: Connection, stream: str) -> Any:
    """Return the head of a stream, locked until the transaction ends; a new stream gets one.

    Whatever is numbered under this lock becomes visible in the order of its numbers.
    """
    asked = {"stream": stream}
    found = dialect.locked_head.first(connection, asked)
    if found is not None:
        return found
    new = {"stream": stream, "stream_sequence": 0, "entry_hash": GENESIS, "event_sequence": 0}
    connection.execute(dialect.insert_unless_there(heads, new))
    return dialect.locked_head.first(connection, asked)


def entry_recorded(
    entry: LedgerEntry, sequence: int, verbs: Verbs[Declared]
) -> tuple[Prepared, dict[str, Any]]:
    """Return what tells of a ledger entry. `sequence` comes from the head of its stream, locked."""
    row = {
        "stream": entry.stream,
        "sequence": sequence,
        "id": _new_id(),
        "name": name_of(entry.action_type, entry.status, entry.operation_id, verbs),
        "at_ms": entry.timestamp_ms,
        "action": entry.action_type,
        "operation_id": entry.operation_id,
        "stripe_id": entry.id if entry.id != entry.operation_id else None,
        "amount_minor": entry.amount_minor,
        "currency": entry.currency,
        "error": entry.error,
    }
    return _INSERT, row


def record_doubt(
    dialect: Dialect,
    connection: Connection,
    operation_id: str,
    now_ms: int,
    verbs: Verbs[Declared],
) -> list[str]:
    """Tell that nobody knows what became of an operation, unless that is the last that was told.
    Return the streams that have grown by it.

    Recovery comes back to the same doubt again and again.
    """
    query = select(operations).where(operations.c.operation_id == operation_id)
    operation = connection.execute(query).mappings().one()
    stream = operation["bot_id"]
    locked_head(dialect, connection, stream)
    if _last_told(connection, stream, operation_id) == _DOUBT:
        return []
    verb = verbs.get(operation["verb"])
    doubt = EventDraft(
        stream,
        _DOUBT,
        operation["verb"] if verb is None else verb.action_type,
        operation_id,
        amount_minor=operation["amount_minor"],
        currency=operation["currency"],
    )
    emit(dialect, connection, doubt, now_ms)
    return [stream]


def emit(dialect: Dialect, connection: Connection, draft: EventDraft, now_ms: int) -> BillingEvent:
    """Write an event that is no ledger entry's, with the next number of its stream."""
    sequence = locked_head(dialect, connection, draft.stream).event_sequence + 1
    event = numbered(draft, sequence, now_ms)
    row = {name: getattr(event, name) for name in _FIELDS} | {"stream": draft.stream}
    connection.execute(insert(table), {**row, "error": int(event.error)})
    told = update(heads).where(heads.c.stream == draft.stream).values(event_sequence=sequence)
    connection.execute(told)
    return event


def numbered(draft: EventDraft, sequence: int, now_ms: int) -> BillingEvent:
    """Return the event of a draft; its time is `now_ms` unless the draft says another."""
    return BillingEvent(
        _new_id(),
        draft.name,
        None if draft.stream == SYSTEM_STREAM else draft.stream,
        sequence,
        now_ms if draft.at_ms is None else draft.at_ms,
        draft.action,
        draft.operation_id,
        draft.stripe_id,
        draft.amount_minor,
        draft.currency,
        draft.error,
    )


def _last_told(connection: Connection, stream: str, operation_id: str) -> str | None:
    """Return the name of the last event about an operation. There is no index for it: each event
    would pay for what is seldom asked."""
    query = (
        select(table.c.name)
        .where(table.c.stream == stream, table.c.operation_id == operation_id)
        .order_by(table.c.sequence.desc())
        .limit(1)
    )
    return connection.execute(query).scalar()


def name_of(action: str, status: str | None, operation_id: str | None, verbs: Verbs[Any]) -> str:
    """Return the name of the event about an entry with this action type and status."""
    own = verbs.events.get((action, status))
    if own is not None:
        return own
    if operation_id is not None and status in _STATES:
        return f"operation.{status}"
    return f"{action}.{status or 'recorded'}"


def events_of(connection: Connection, stream: str, *, after: int, limit: int) -> list[BillingEvent]:
    """Return the events of a stream with a sequence above `after`, in order."""
    query = (
        select(table)
        .where(table.c.stream == stream, table.c.sequence > after)
        .order_by(table.c.sequence)
        .limit(limit)
    )
    return [_event_of(row) for row in connection.execute(query).mappings()]


def _event_of(row: RowMapping) -> BillingEvent:
    fields: dict[str, Any] = dict(row)
    stream = fields.pop("stream")
    bot_id = None if stream == SYSTEM_STREAM else stream
    return BillingEvent(bot_id=bot_id, **{**fields, "error": bool(row["error"])})


def _new_id() -> str:
    return f"bev_{secrets.token_hex(12)}"
