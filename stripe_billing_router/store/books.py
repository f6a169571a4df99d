"""Reads of ledger and operations for those who check the books: bounded, a page at a time."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import fields
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select

from ..models import BookedEntry, BookedOperation, Declared, OperationState, Verbs
from ..secrecy import discreet_methods
from .database import Database
from .schema import ledger, operations

_CHUNK = 2000
"""How many ids one query asks for."""

_ENTRY = [ledger.c[field.name] for field in fields(BookedEntry) if field.name != "moves"]
_OPERATION = [
    operations.c[field.name] for field in fields(BookedOperation) if field.name != "moves"
]

_COLLECTED = (str(OperationState.SUCCEEDED), "paid")
"""Of what a call collected, and of a renewal that a webhook told of."""

Place = tuple[int, int]
"""Where a page of entries ended: `timestamp_ms` and `sequence` of its last one."""


@discreet_methods
class Books:
    """What the ledger and the operations say about some ids, or about some time.

    The verbs say which entries are about money, and where it goes.
    """

    def __init__(self, database: Database, verbs: Verbs[Declared]) -> None:
        self._database = database
        self._verbs = verbs
        self._moves = {verb.action_type: verb.moves for verb in verbs.values()}
        self._money = verbs.moving("in", "out")

    def entries_named(self, ids: Collection[str]) -> list[BookedEntry]:
        """Return the entries about money that carry one of these Stripe ids."""
        return self._entries(ledger.c.id, ids)

    def entries_of(self, operation_ids: Collection[str]) -> list[BookedEntry]:
        """Return the entries about money of these operations."""
        return self._entries(ledger.c.operation_id, operation_ids)

    def operations_named(self, operation_ids: Collection[str]) -> list[BookedOperation]:
        """Return those of these operations that there are."""
        query = select(*_OPERATION)
        found = self._among(query, operations.c.operation_id, operation_ids)
        verbs = {verb.name: verb.moves for verb in self._verbs.values()}
        return [BookedOperation(*row, moves=verbs.get(row.verb, "none")) for row in found]

    def collected(
        self, since_ms: int, until_ms: int, *, after: Place | None, limit: int
    ) -> list[BookedEntry]:
        """Return a page of the entries that say that money has moved, oldest first."""
        query = (
            select(*_ENTRY)
            .where(_between(since_ms, until_ms), ledger.c.status.in_(_COLLECTED))
            .where(ledger.c.action_type.in_(self._money))
        )
        with self._database.read() as connection:
            return self._booked(connection.execute(_page(query, after, limit)))

    def refused_payments(self, since_ms: int, until_ms: int, *, limit: int) -> Iterator[Refused]:
        """Yield `(operation id, Stripe ids)` of what failed: the answer alone names its payment.

        Entries whose answer was erased are left out.
        """
        query = (
            select(ledger.c.timestamp_ms, ledger.c.sequence, *_REFUSAL)
            .where(_between(since_ms, until_ms), ledger.c.error == 1)
            .where(ledger.c.operation_id.is_not(None), ledger.c.raw_event_json.is_not(None))
        )
        after: Place | None = None
        while True:
            with self._database.read() as connection:
                rows = connection.execute(_page(query, after, limit)).all()
            for row in rows:
                yield row.operation_id, _named_in(row.raw_event_json)
            if len(rows) < limit:
                return
            after = (rows[-1].timestamp_ms, rows[-1].sequence)

    def payments(self, since_ms: int, until_ms: int) -> int:
        """Return about how many payments there were, those that failed as well."""
        query = select(func.count()).where(_between(since_ms, until_ms))
        paying = query.where(ledger.c.action_type.in_(self._verbs.moving("in")))
        with self._database.read() as connection:
            return connection.execute(paying).scalar_one()

    def _entries(self, column: Any, ids: Collection[str]) -> list[BookedEntry]:
        query = select(*_ENTRY).where(ledger.c.action_type.in_(self._money))
        return self._booked(self._among(query, column, ids))

    def _booked(self, rows: Iterable[Any]) -> list[BookedEntry]:
        return [BookedEntry(*row, moves=self._moves[row.action_type]) for row in rows]

    def _among(self, query: Select[Any], column: Any, ids: Collection[str]) -> Iterator[Any]:
        wanted = sorted(ids)
        with self._database.read() as connection:
            for start in range(0, len(wanted), _CHUNK):
                chosen = column.in_(wanted[start : start + _CHUNK])
                yield from connection.execute(query.where(chosen))


Refused = tuple[str, tuple[str, ...]]

_REFUSAL = (ledger.c.operation_id, ledger.c.raw_event_json)


def _between(since_ms: int, until_ms: int) -> ColumnElement[bool]:
    return and_(ledger.c.timestamp_ms >= since_ms, ledger.c.timestamp_ms < until_ms)


def _page(query: Select[Any], after: Place | None, limit: int) -> Select[Any]:
    time, sequence = ledger.c.timestamp_ms, ledger.c.sequence
    if after is not None:
        query = query.where(
            time >= after[0], or_(time > after[0], and_(time == after[0], sequence > after[1]))
        )
    return query.order_by(time, sequence).limit(limit)


def _named_in(raw: str) -> tuple[str, ...]:
    """Return the charge and the payment intent that an error of Stripe's names."""
    error = json.loads(raw).get("error")
    if not isinstance(error, dict):
        return ()
    intent = error.get("payment_intent")
    named = (error.get("charge"), intent.get("id") if isinstance(intent, dict) else intent)
    return tuple(name for name in named if isinstance(name, str))
