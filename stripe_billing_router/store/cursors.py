"""How far each sink has got with each bot's events, and who is at it."""

from __future__ import annotations

import secrets
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select, update

from ..frozen import frozen
from ..models import SYSTEM_STREAM, BillingEvent
from ..secrecy import discreet_methods
from . import outbox
from .database import Database
from .outbox_schema import cursors as table
from .schema import heads


@frozen
class Claim:
    """The right to deliver one bot's events to one sink, until its lease runs out.

    `sequence` is that of the last event delivered, `failures` counts those since.
    """

    sink: str
    stream: str
    token: str
    sequence: int
    failures: int


@discreet_methods
class Outbox:
    """The events of one database, and the cursors of those who deliver them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def history(
        self, bot_id: str | None, *, after: int = 0, limit: int = 100
    ) -> list[BillingEvent]:
        """Return a bot's events with a sequence above `after`, in order; None: of no bot."""
        with self._database.read() as connection:
            stream = bot_id or SYSTEM_STREAM
            return outbox.events_of(connection, stream, after=after, limit=limit)

    def waiting(self, sink: str, limit: int = 100) -> list[str]:
        """Return streams with events for a sink that nobody is at and that are not put off.

        Those that were not looked at for the longest time come first.
        """
        reached = and_(table.c.sink == sink, table.c.stream == heads.c.stream)
        with self._database.read() as connection:
            free = self._free(self._database.now_ms(connection))
            query = (
                select(heads.c.stream)
                .select_from(heads.outerjoin(table, reached))
                .where(heads.c.event_sequence > func.coalesce(table.c.sequence, 0))
                .where(or_(table.c.sink.is_(None), free))
                .order_by(func.coalesce(table.c.lease_until_ms, 0))
                .limit(limit)
            )
            return list(connection.execute(query).scalars())

    def claim(self, sink: str, stream: str, lease_ms: int) -> Claim | None:
        """Take a stream for a sink, or return None if somebody else has it."""
        token, claims = secrets.token_hex(16), list[Claim]()

        def work(connection: Connection) -> None:
            claims.clear()
            now_ms = self._database.now_ms(connection)
            connection.execute(
                self._database.dialect.insert_unless_there(table, untouched(sink, stream))
            )
            taken = {"lease_token": token, "lease_until_ms": now_ms + lease_ms}
            ours = (table.c.sink == sink, table.c.stream == stream)
            change = update(table).where(*ours, self._free(now_ms)).values(**taken)
            if connection.execute(change).rowcount == 1:
                row = connection.execute(select(table).where(*ours)).one()
                claims.append(Claim(sink, stream, token, row.sequence, row.failures))

        self._database.transact(work)
        return claims[0] if claims else None

    def events(self, claim: Claim, limit: int) -> list[BillingEvent]:
        """Return the next events of a claimed stream."""
        with self._database.read() as connection:
            return outbox.events_of(connection, claim.stream, after=claim.sequence, limit=limit)

    def delivered(self, claim: Claim, lease_ms: int) -> bool:
        """Note how far the sink has got and renew the lease; False if somebody else took over."""
        return self._move(claim, lease_ms, sequence=claim.sequence, failures=0)

    def release(self, claim: Claim) -> None:
        """Let others have the stream."""
        self._move(claim, None)

    def put_off(self, claim: Claim, delay_ms: int) -> None:
        """Let the stream rest after a failure."""
        self._move(claim, None, failures=claim.failures + 1, retry_in_ms=delay_ms)

    def _move(
        self, claim: Claim, lease_ms: int | None, *, retry_in_ms: int = 0, **changes: Any
    ) -> bool:
        moved = list[bool]()

        def work(connection: Connection) -> None:
            now_ms = self._database.now_ms(connection)
            token = None if lease_ms is None else claim.token
            done = connection.execute(
                update(table)
                .where(table.c.sink == claim.sink, table.c.stream == claim.stream)
                .where(table.c.lease_token == claim.token)
                .values(
                    lease_token=token,
                    lease_until_ms=now_ms + (lease_ms or 0),
                    retry_ms=now_ms + retry_in_ms,
                    **changes,
                )
            )
            moved.append(done.rowcount == 1)

        self._database.transact(work)
        return moved[-1]

    @staticmethod
    def _free(now_ms: int) -> Any:
        return and_(table.c.lease_until_ms <= now_ms, table.c.retry_ms <= now_ms)


def untouched(sink: str, stream: str) -> dict[str, Any]:
    """Return the cursor of who has not begun."""
    return {
        "sink": sink,
        "stream": stream,
        "sequence": 0,
        "lease_until_ms": 0,
        "failures": 0,
        "retry_ms": 0,
    }
