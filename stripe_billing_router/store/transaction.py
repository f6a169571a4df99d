"""A transaction that writes are done in: what domains see of it, and what only the core does."""

from __future__ import annotations

from sqlalchemy import Connection

from ..models import BillingEvent, Declared, EventDraft, Operation, Verbs
from . import operations, outbox
from .codec import EncodedOnce, Sealing
from .database import Database
from .dialects import Dialect
from .twins import IsAlive


class SqlTransaction:
    """Implements `domain.Transaction`. `streams` are those whose events it adds to.

    The time is asked for when it is first needed: entries of the ledger alone need none.
    """

    __slots__ = (
        "_at_ms",
        "_database",
        "connection",
        "encode",
        "is_alive",
        "sealing",
        "streams",
        "verbs",
    )

    def __init__(
        self,
        database: Database,
        connection: Connection,
        sealing: Sealing,
        is_alive: IsAlive,
        verbs: Verbs[Declared],
    ) -> None:
        self._database = database
        self.connection = connection
        self.sealing = sealing
        self.is_alive = is_alive
        self.verbs = verbs
        self._at_ms: int | None = None
        self.encode = EncodedOnce()
        self.streams: set[str] = set()

    @property
    def dialect(self) -> Dialect:
        return self._database.dialect

    @property
    def now_ms(self) -> int:
        if self._at_ms is None:
            self._at_ms = self._database.now_ms(self.connection)
        return self._at_ms

    def at(self, now_ms: int) -> SqlTransaction:
        """Have it be this time."""
        self._at_ms = now_ms
        return self

    def proven(self, operation_id: str | None) -> Operation | None:
        return _proven(self.connection, self.sealing, operation_id)

    def emit(self, event: EventDraft) -> BillingEvent:
        self.streams.add(event.stream)
        return outbox.emit(self.dialect, self.connection, event, self.now_ms)


class Replay:
    """Implements `domain.Transaction` for what has happened before: nothing is told anew."""

    def __init__(self, connection: Connection, sealing: Sealing, at_ms: int) -> None:
        self.connection = connection
        self.now_ms = at_ms
        self._sealing = sealing

    def proven(self, operation_id: str | None) -> Operation | None:
        return _proven(self.connection, self._sealing, operation_id)

    def emit(self, event: EventDraft) -> BillingEvent:
        return outbox.numbered(event, 0, self.now_ms)


def _proven(connection: Connection, sealing: Sealing, operation_id: str | None) -> Operation | None:
    sealing.require_keys()
    found = None if operation_id is None else operations.load(connection, operation_id)
    return found if found is not None and sealing.proof(found).may_be_told else None
