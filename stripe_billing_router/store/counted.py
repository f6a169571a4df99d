"""What budgets' counters have to hold, by what sealed operations came to: they have no seals."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, groupby
from typing import Any

from sqlalchemy import Connection, Select, select

from ..models import Counted, OperationState, Window, window_start_ms
from . import operations
from .codec import Sealing
from .schema import budgets, reservations
from .schema import operations as operation_table

_WINDOWS: tuple[Window, ...] = ("hour", "day", "month")
_COUNTS = ("reserved", "settled")
_HOUR_MS = 3_600_000
_PARTS = "counter operation_id kind state amount currency restores".split()
_HELD = select(*(reservations.c[name] for name in _PARTS), operation_table.c.amount_minor).join(
    operation_table,
    operation_table.c.operation_id == reservations.c.operation_id,
    isouter=True,
)
_GAVE_NOTHING = frozenset(
    {OperationState.FAILED, OperationState.CANCELED, OperationState.ABANDONED}
)


def set_back(
    connection: Connection, sealing: Sealing, now_ms: int, since_ms: int
) -> Iterator[Counted]:
    """Yield the counters below what is held of them, in the windows that were open at any time
    since `since_ms`, and those that are."""
    since = window_start_ms("hour", since_ms)
    begun = {window_start_ms(per, at) for per in _WINDOWS for at in (since_ms, now_ms)}
    before = sorted(start for start in begun if start < since)
    for start in chain(before, range(since, now_ms, _HOUR_MS)):
        yield from _set_back(connection, sealing, start)


def _set_back(connection: Connection, sealing: Sealing, start: int) -> Iterator[Counted]:
    in_window = _HELD.where(reservations.c.window_start_ms == start)
    given = _given_back(connection, sealing, in_window)
    rows = connection.execute(in_window.order_by(reservations.c.counter)).mappings()
    for counter, parts in groupby(rows, lambda row: str(row["counter"])):
        held = sum(
            _part(row, given.get((row["operation_id"], counter), 0), connection, sealing)
            for row in parts
        )
        counts = budgets.c.counter == counter, budgets.c.window_start_ms == start
        used = connection.execute(select(budgets.c.used).where(*counts)).scalar() or 0
        if used < held:
            yield Counted(counter, start, used, held)


def _given_back(
    connection: Connection, sealing: Sealing, in_window: Select[Any]
) -> dict[tuple[str, str], int]:
    """Return what refunds are proven to have given back, by the payment's operation and counter."""
    back = reservations.c.kind == "restore", reservations.c.state == "settled"
    given: dict[tuple[str, str], int] = {}
    for row in connection.execute(in_window.where(*back)).mappings():
        proven = _Said(connection, sealing, row).collected(row["currency"]) or 0
        of = str(row["restores"]), str(row["counter"])
        given[of] = given.get(of, 0) + proven
    return given


class _Said:
    """What the operation of a reservation came to, as far as it is proven."""

    def __init__(self, connection: Connection, sealing: Sealing, row: Any) -> None:
        found = operations.load(connection, row["operation_id"])
        self.operation = found
        proof = None if found is None else sealing.proof(found)
        self.proven = proof is not None and proof.may_be_told
        self._intent = proof is not None and proof.intent

    @property
    def has_begun_anew(self) -> bool:
        """Whether it is under way again: what an attempt before it has released stays so."""
        return self._intent and self.operation is not None and self.operation.outcome is None

    def collected(self, currency: str | None) -> int | None:
        """Return the minor units that the operation proves to have moved; None if it does not."""
        told = self.operation.outcome if self.operation is not None and self.proven else None
        if told is None:
            return None
        if told.state in _GAVE_NOTHING:
            return 0
        succeeded = told.state is OperationState.SUCCEEDED and told.currency == currency
        return told.amount_minor if succeeded else None


def _part(row: Any, given_back: int, connection: Connection, sealing: Sealing) -> int:
    """Return what one operation holds: what it was planned with, unless it proves less."""
    stands = int(row["amount"]) if row["state"] in _COUNTS else 0
    planned = row["amount_minor"]
    if row["kind"] != "money":
        return stands if row["kind"] == "calls" else 0
    if planned is not None and stands >= planned:
        return stands
    if row["state"] == "reserved":
        return max(stands, planned or 0)
    told = _Said(connection, sealing, row)
    if row["state"] == "past" and told.has_begun_anew:
        return 0
    collected = told.collected(row["currency"])
    if collected is None:
        return max(int(row["amount"]), planned or 0)
    return max(stands, collected - given_back)
