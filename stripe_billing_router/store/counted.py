"""What budgets' counters have to hold, by what sealed operations came to: they have no seals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, groupby
from typing import Any

from sqlalchemy import Connection, Select, select

from ..models import Counted, OperationState, Verbs, Window, window_start_ms
from . import operations
from .codec import Sealing
from .schema import budgets, reservations
from .schema import operations as operation_table

_WINDOWS: tuple[Window, ...] = ("hour", "day", "month")
_COUNTS = ("reserved", "settled")
_HOUR_MS = 3_600_000
_PARTS = "counter operation_id kind state amount currency restores".split()
Limits = Callable[[str], int | None]
"""Says what a counter may come to at most."""


def unlimited(counter: str) -> int | None:  # noqa: ARG001 - where nobody knows the rules
    """Return no limit."""
    return None


_HELD = select(
    *(reservations.c[name] for name in _PARTS),
    operation_table.c.amount_minor,
    operation_table.c.operation_id.label("of"),
).join(
    operation_table,
    operation_table.c.operation_id == reservations.c.operation_id,
    isouter=True,
)
_GAVE_NOTHING = frozenset(
    {OperationState.FAILED, OperationState.CANCELED, OperationState.ABANDONED}
)


def set_back(
    connection: Connection,
    sealing: Sealing,
    verbs: Verbs[Any],
    limits: Limits,
    now_ms: int,
    since_ms: int,
) -> Iterator[Counted]:
    """Yield the counters below what is held of them, and those of which calls hold more than their
    limit, in the windows that were open at any time since `since_ms`, and those that are."""
    since = window_start_ms("hour", since_ms)
    begun = {window_start_ms(per, at) for per in _WINDOWS for at in (since_ms, now_ms)}
    before = sorted(start for start in begun if start < since)
    for start in chain(before, range(since, now_ms, _HOUR_MS)):
        yield from _set_back(connection, sealing, verbs, limits, start)


def _set_back(
    connection: Connection, sealing: Sealing, verbs: Verbs[Any], limits: Limits, start: int
) -> Iterator[Counted]:
    in_window = _HELD.where(reservations.c.window_start_ms == start)
    given = _given_back(connection, sealing, verbs, in_window)
    rows = connection.execute(in_window.order_by(reservations.c.counter)).mappings()
    for counter, parts in groupby(rows, lambda row: str(row["counter"])):
        held = asked_for = 0
        for row in parts:
            back = given.get((row["operation_id"], counter), 0)
            part = max(0, _part(row, back, connection, sealing))  # none takes from the others'
            held += part
            asked_for += part if row["of"] is not None else 0
        counts = budgets.c.counter == counter, budgets.c.window_start_ms == start
        used = connection.execute(select(budgets.c.used).where(*counts)).scalar() or 0
        limit = limits(counter)
        if used < held:
            yield Counted(counter, start, used, held)
        elif limit is not None and asked_for > limit:
            yield Counted(counter, start, used, asked_for, limit)


def _given_back(
    connection: Connection, sealing: Sealing, verbs: Verbs[Any], in_window: Select[Any]
) -> dict[tuple[str, str], int]:
    """Return what refunds are proven to have given back, by the payment's operation and counter."""
    back = reservations.c.kind == "restore", reservations.c.state == "settled"
    given: dict[tuple[str, str], int] = {}
    for row in connection.execute(in_window.where(*back)).mappings():
        said = _Said(connection, sealing, row)
        own = said.gives_back(verbs, str(row["counter"]))
        proven = said.collected(row["currency"]) or 0 if own else 0
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

    def gives_back(self, verbs: Verbs[Any], counter: str) -> bool:
        """Whether it is a refund of who has this counter at all: its reservation bears no seal."""
        if self.operation is None or not counter.endswith((f"/{self.operation.bot}", "/*")):
            return False
        verb = verbs.get(self.operation.verb)
        return verb is not None and verb.gives_back

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
    if row["kind"] != "money":
        return 1 if row["kind"] == "calls" else 0  # a call counts, whatever becomes of it
    stands = int(row["amount"]) if row["state"] in _COUNTS else 0
    planned = row["amount_minor"]
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
