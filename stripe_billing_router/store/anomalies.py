"""`stripe_anomalies`: what happened that should not, counted where it repeats itself."""

from __future__ import annotations

import secrets
from typing import Any

from sqlalchemy import Connection, case, exists, select, update

from ..hashing import canonical_json
from ..models import Anomaly, AnomalyDraft, AppendEntry, EntryDraft
from ..secrecy import discreet_methods
from .codec import anomaly_of
from .database import Database
from .ledger import append_entry
from .rows import readable, seen_again
from .schema import anomalies as table
from .transacting import insert, transacted


@discreet_methods
class AnomalyDB:
    """Writes and shows the anomalies of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, draft: AnomalyDraft, entry: EntryDraft, repeat_window: float) -> Anomaly:
        """Store an anomaly and its ledger entry in one transaction, and return it.

        An equal one that began less than `repeat_window` seconds ago is counted up instead, and
        gets no second entry. Raises LedgerUnavailableError.
        """
        window_ms = int(repeat_window * 1000)
        return transacted(
            self._database, lambda c, now: self._record(c, draft, entry, now, window_ms)
        )

    def claim_export(self, anomaly_id: str) -> bool:
        """Mark an anomaly as exported; False if it, or one equal to it, has been already."""
        return transacted(self._database, lambda c, _: _claimed(c, anomaly_id))

    def give_back_export(self, anomaly_id: str) -> None:
        """Undo `claim_export`: the export failed."""
        give_back = update(table).where(table.c.id == anomaly_id).values(exported=0)
        transacted(self._database, lambda c, _: c.execute(give_back).rowcount)

    def list(
        self,
        *,
        bot_id: str | None = None,
        event_type: str | None = None,
        min_severity: float = 0.0,
        limit: int = 100,
    ) -> tuple[Anomaly, ...]:
        """Return anomalies, the newest first."""
        query = select(table).where(table.c.severity >= min_severity)
        if bot_id is not None:
            query = query.where(table.c.bot_id == bot_id)
        if event_type is not None:
            query = query.where(table.c.event_type == event_type)
        query = query.order_by(table.c.first_ms.desc(), table.c.id.desc()).limit(limit)
        with self._database.read() as connection:
            return tuple(readable(table, anomaly_of, connection.execute(query).mappings()))

    def _record(
        self,
        connection: Connection,
        draft: AnomalyDraft,
        entry: EntryDraft,
        now_ms: int,
        window_ms: int,
    ) -> Anomaly:
        ours = table.c.window_key == draft.fingerprint
        begun = table.c.first_ms > now_ms - window_ms
        key = table.c.window_key
        seen = seen_again(connection, key, anomaly_of, ours, begun, _counted(draft, now_ms))
        if seen is not None:
            return seen
        insert(connection, table, _row(draft, now_ms))
        append_entry(self._database.dialect, connection, AppendEntry(entry))
        return anomaly_of(connection.execute(select(table).where(ours)).mappings().one())


def _counted(draft: AnomalyDraft, now_ms: int) -> dict[str, Any]:
    """Count one more of the same. The severity is the highest told, in whatever order."""
    higher = case((table.c.severity < draft.severity, draft.severity), else_=table.c.severity)
    flagged = 1 if draft.codex else table.c.codex
    return {"count": table.c.count + 1, "last_ms": now_ms, "severity": higher, "codex": flagged}


def _claimed(connection: Connection, anomaly_id: str) -> bool:
    this = table.c.id == anomaly_id
    equal = table.alias()
    same = select(table.c.fingerprint).where(this).scalar_subquery()
    done = select(exists().where(equal.c.fingerprint == same, equal.c.exported == 1))
    if connection.execute(done).scalar():
        return False
    claim = update(table).where(this, table.c.exported == 0).values(exported=1)
    return bool(connection.execute(claim).rowcount)


def _row(draft: AnomalyDraft, now_ms: int) -> dict[str, Any]:
    return {
        "id": f"anom_{secrets.token_hex(12)}",
        "window_key": draft.fingerprint,
        "fingerprint": draft.fingerprint,
        "event_type": draft.event_type,
        "bot_id": draft.bot_id,
        "operation_id": draft.operation_id,
        "metadata": canonical_json(draft.metadata),
        "instruction": draft.instruction,
        "severity": draft.severity,
        "codex": int(draft.codex),
        "exported": 0,
        "count": 1,
        "first_ms": now_ms,
        "last_ms": now_ms,
    }
