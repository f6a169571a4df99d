"""`stripe_inbox`: events as Stripe delivered them, worked on under leases.

An event is work to do while it has a `due_ms`. Taking it moves that to the end of the lease, so
that an event whose worker died comes up again by itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, insert, select, update
from sqlalchemy.exc import IntegrityError

from ..errors import LedgerUnavailableError
from ..hashing import canonical_json
from ..models import GIVEN_UP, InboxEvent, InboxState, MarkProcessed, NoteFact
from ..ports import CommitAmbiguous, StaleLease
from ..secrecy import discreet_methods
from .codec import Sealing
from .database import Database
from .queue import Work
from .rows import read, readable
from .schema import inbox as table
from .schema import inbox_objects as objects

_COLUMNS = [field.name for field in fields(InboxEvent)]


@discreet_methods
class SqlInbox:
    """The inbox of one database."""

    def __init__(self, database: Database, sealing: Sealing) -> None:
        self._database = database
        self._sealing = sealing

    def receive(self, event: InboxEvent) -> tuple[str, bool]:
        """Store an event durably, once; return the type of what is stored, and True if that leaves
        nothing new to do.

        One that failed, or was given up, becomes work to do again.
        """
        stored: list[tuple[str, bool]] = []

        def work(connection: Connection) -> None:
            now_ms = self._database.now_ms(connection)
            row = _row(replace(event, received_ms=now_ms, updated_ms=now_ms, due_ms=now_ms))
            row["seal"] = self._sealing.event(event.event_id, row["body"])
            query = select(table.c.type).where(table.c.event_id == event.event_id)
            known = connection.execute(query).scalar()
            if known is None:
                connection.execute(self._database.dialect.insert_unless_there(table, row))
                stored[:] = [(event.type, False)]
            else:
                revived = _revive(connection, event.event_id, GIVEN_UP, now_ms)
                stored[:] = [(known, not revived)]

        self._durably(work)
        return stored[0]

    def is_sealed(self, event: InboxEvent) -> bool:
        """Say whether a holder of a key received this very event."""
        return self._sealing.holds(event.seal, "event", event.event_id, canonical_json(event.body))

    def replay(self, event_id: str) -> bool:
        """Make an event work to do again, whatever it came to; False if there is none."""
        found: list[bool] = []

        def work(connection: Connection) -> None:
            now_ms = self._database.now_ms(connection)
            found[:] = [_revive(connection, event_id, frozenset(InboxState), now_ms)]

        self._durably(work)
        return found[0]

    def take(self, limit: int, lease_token: str, lease_ms: int) -> list[InboxEvent]:
        """Take up to `limit` events that are due, those first that have been due longest."""
        taken: list[InboxEvent] = []

        def work(connection: Connection) -> None:
            now_ms = self._database.now_ms(connection)
            taken[:] = _take(connection, limit, lease_token, now_ms, now_ms + lease_ms)

        try:
            self._database.transact(work)
        except CommitAmbiguous:
            return []  # if they are taken, they come up again when the lease ends
        return taken

    def event(self, event_id: str) -> InboxEvent | None:
        with self._database.read() as connection:
            query = select(table).where(table.c.event_id == event_id)
            row = connection.execute(query).mappings().first()
        return None if row is None else read(table, _event, row)

    def events(
        self,
        *,
        states: Iterable[InboxState] | None = None,
        event_type: str | None = None,
        limit: int = 100,
    ) -> list[InboxEvent]:
        """Return events, those received last first."""
        query = (
            select(table).order_by(table.c.received_ms.desc(), table.c.event_id.desc()).limit(limit)
        )
        if states is not None:
            query = query.where(table.c.state.in_(list(states)))
        if event_type is not None:
            query = query.where(table.c.type == event_type)
        with self._database.read() as connection:
            return readable(table, _event, connection.execute(query).mappings())

    def facts(self, object_id: str) -> frozenset[str]:
        """Return what has been applied of a Stripe object."""
        with self._database.read() as connection:
            query = select(objects.c.facts).where(objects.c.object_id == object_id)
            found = connection.execute(query).scalar()
        return frozenset() if found is None else frozenset(found.split(","))

    def next_due_ms(self) -> int | None:
        """Return when there is something to do next; None if nothing waits."""
        query = select(table.c.due_ms).where(table.c.due_ms.is_not(None))
        with self._database.read() as connection:
            found = connection.execute(query.order_by(table.c.due_ms).limit(1)).scalar()
        return None if found is None else int(found)

    def _durably(self, work: Work) -> None:
        try:
            self._database.transact(work)
        except CommitAmbiguous:
            raise LedgerUnavailableError(
                "The ledger's database broke off while an event was stored, so that it may not be "
                "there. Have it delivered again: answer Stripe with a 500."
            ) from None


def mark(connection: Connection, write: MarkProcessed, now_ms: int) -> None:
    """Say how far an event has come; StaleLease if another has taken it."""
    changes: dict[str, Any] = {"updated_ms": now_ms, "error": write.error}
    if write.applied is not None:
        changes["applied"] = write.applied
    if write.operation_id is not None:
        changes["operation_id"] = write.operation_id
    if not write.attempted:
        changes["attempts"] = table.c.attempts - 1
    if write.state is not None:
        again = None if write.again_in_ms is None else now_ms + write.again_in_ms
        changes.update(state=write.state, lease_token=None, due_ms=again)
    done = connection.execute(
        update(table)
        .where(table.c.event_id == write.event_id, table.c.lease_token == write.lease_token)
        .values(**changes)
    )
    if done.rowcount != 1:
        raise StaleLease(write.event_id)


def note(connection: Connection, write: NoteFact, now_ms: int) -> None:
    """Remember a fact of an object; StaleLease if more, or less, is known than the writer saw."""
    row = {"facts": _joined(write.seen | {write.fact}), "updated_ms": now_ms}
    if not write.seen:
        try:
            connection.execute(insert(objects), {"object_id": write.object_id, **row})
        except IntegrityError:
            raise StaleLease(write.object_id) from None
        return
    same = objects.c.facts == _joined(write.seen)
    changed = connection.execute(
        update(objects).where(objects.c.object_id == write.object_id, same).values(**row)
    )
    if changed.rowcount != 1:
        raise StaleLease(write.object_id)


def _take(
    connection: Connection, limit: int, token: str, now_ms: int, until_ms: int
) -> list[InboxEvent]:
    rows = connection.execute(_due(limit, now_ms)).mappings().all()
    found = readable(table, _event, rows)
    ids = [event.event_id for event in found]
    if broken := [row["event_id"] for row in rows if row["event_id"] not in ids]:
        these = table.c.event_id.in_(broken)
        connection.execute(update(table).where(these).values(**_UNREADABLE))
    if found:
        connection.execute(
            update(table)
            .where(table.c.event_id.in_(ids))
            .values(lease_token=token, due_ms=until_ms, attempts=table.c.attempts + 1)
        )
    return [
        replace(event, lease_token=token, due_ms=until_ms, attempts=event.attempts + 1)
        for event in found
    ]


_UNREADABLE = {
    "state": InboxState.DEAD,
    "due_ms": None,
    "lease_token": None,
    "attempts": 0,
    "error": "its row cannot be read",
}
"""What has been written over is not tried again; Stripe still has the event."""


def _due(limit: int, now_ms: int) -> Select[Any]:
    """What another worker is about to take is skipped; SQLite has one writer, and needs no lock."""
    return (
        select(table)
        .where(table.c.due_ms <= now_ms)
        .order_by(table.c.due_ms)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )


def _revive(
    connection: Connection, event_id: str, states: frozenset[InboxState], now_ms: int
) -> bool:
    """Give an event its attempts back. One that a worker holds is left to that worker."""
    revived = connection.execute(
        update(table)
        .where(table.c.event_id == event_id, table.c.state.in_(states))
        .where(table.c.lease_token.is_(None) | (table.c.due_ms <= now_ms))
        .values(
            state=InboxState.RECEIVED,
            attempts=0,
            error=None,
            lease_token=None,
            due_ms=now_ms,
            updated_ms=now_ms,
        )
    )
    return bool(revived.rowcount)


def _row(event: InboxEvent) -> dict[str, Any]:
    found = {name: getattr(event, name) for name in _COLUMNS}
    return {**found, "state": str(event.state), "body": canonical_json(event.body)}


def _event(row: RowMapping) -> InboxEvent:
    found = {name: row[name] for name in _COLUMNS}
    applied = row["applied"]
    return InboxEvent(
        **{
            **found,
            "state": InboxState(row["state"]),
            "applied": None if applied is None else InboxState(applied),
            "body": _body(row["body"]),
        }
    )


def _body(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    if not isinstance(found["data"]["object"], dict):
        raise TypeError("body")
    return found


def _joined(facts: Iterable[str]) -> str:
    return ",".join(sorted(facts))
