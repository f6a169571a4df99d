"""`stripe_budgets` and `stripe_reservations`: what is used of each counter, and who holds it.

A counter is changed only by one conditional UPDATE, which locks its row until the commit: of two
who ask at once, the second sees what the first has left. Whoever changes several takes them in the
order of their names, so that nobody waits for each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from sqlalchemy import Connection, RowMapping, and_, bindparam, case, insert, select, update

from ..errors import LedgerTamperedError
from ..models import (
    CloseOperation,
    Freeze,
    FreezeScope,
    Operation,
    OperationState,
    Outcome,
    Reservation,
    Reserve,
    Spend,
    UnfreezeScope,
    Usage,
    window_start_ms,
)
from ..ports import BudgetExceeded, StaleLease
from .dialects import Dialect
from .prepared import Prepared
from .schema import budgets, reservations
from .schema import freezes as table

_HELD, _SETTLED, _RELEASED = "reserved", "settled", "released"
_PAST = "past"
"""Released in an attempt after which the operation was begun anew."""

_HELD_BY = Prepared(
    select(reservations).where(
        reservations.c.operation_id == bindparam("operation_id"), reservations.c.state != _PAST
    )
)

_ENDS = frozenset(
    {
        OperationState.SUCCEEDED,
        OperationState.FAILED,
        OperationState.CANCELED,
        OperationState.ABANDONED,
    }
)
"""The states in which it is known what was spent."""


def reserve(dialect: Dialect, connection: Connection, write: Reserve, now_ms: int) -> None:
    """Take a part of a counter in the present window; BudgetExceeded if it does not fit.

    Of what its operation holds already only what is missing is taken.
    """
    part = write.reservation
    held = _row(connection, write.operation_id, part.counter)
    if held is not None and held["state"] == _HELD:
        if write.begins:
            raise _forged(write)
        _hold_more(dialect, connection, held, part, now_ms)
        return
    start = _window_of(connection, part, now_ms)
    if part.kind != "restore":
        _take(dialect, connection, part, start)
    part_row = _part_row(part, start, now_ms)
    if held is None:
        _insert(connection, write.operation_id, part, part_row)
    else:
        connection.execute(update(reservations).where(_is(held)).values(**part_row))


def _forged(write: Reserve) -> LedgerTamperedError:
    return LedgerTamperedError(
        f"A row says that {write.operation_id} holds its part of {write.reservation.counter} "
        "without having taken it, so nothing is sent. Find out who writes to "
        "stripe_reservations; a new idempotency_key begins anew.",
        operation_id=write.operation_id,
    )


def hold(
    dialect: Dialect, connection: Connection, operation: Operation, part: Reservation, now_ms: int
) -> None:
    """Take a part for what has begun and was lost, also beyond the limit, unless it is held."""
    if _row(connection, operation.operation_id, part.counter) is not None:
        return
    start = _window_of(connection, part, operation.started_ms or now_ms)
    if part.kind != "restore":
        _add(dialect, connection, part, start)
    _insert(connection, operation.operation_id, part, _part_row(part, start, now_ms))


def begin_anew(connection: Connection, operation_id: str) -> None:
    """Leave what earlier attempts released behind: what comes of this one is counted by its own."""
    connection.execute(
        update(reservations)
        .where(reservations.c.operation_id == operation_id, reservations.c.state == _RELEASED)
        .values(state=_PAST)
    )


def spend(dialect: Dialect, connection: Connection, write: Spend, now_ms: int) -> None:
    """Add to a counter, once, without asking for its limit: in the present window; for a refund
    that came back, what it gave back, in the window that it gave it to."""
    part = write.reservation
    if _row(connection, write.spent_by, part.counter) is not None:
        return
    start = window_start_ms(part.per, now_ms)
    if part.kind == "restore":
        refund = _row(connection, str(part.restores), part.counter)
        if refund is None or refund["state"] != _SETTLED:
            return
        start, part = refund["window_start_ms"], replace(part, amount=int(refund["amount"]))
        _change_holding(connection, refund["restores"], part.counter, part.amount)
    _add(dialect, connection, part, start)
    row = {**_part_row(part, start, now_ms), "state": _SETTLED}
    _insert(connection, write.spent_by, part, row)


def settle(connection: Connection, write: CloseOperation, now_ms: int) -> None:
    """Give every part that the operation holds what its outcome has made of it."""
    if write.state not in _ENDS:
        return
    found = _HELD_BY.rows(connection, {"operation_id": write.operation_id})
    held: list[Any] = [row._asdict() for row in found]
    # Sorted here, as those who reserve do: a database may have another alphabet.
    for row in sorted(held, key=lambda row: str(row["counter"])):
        state, amount, change = _settled(row, write.state, write.outcome)
        if row["kind"] == "restore" and state == _SETTLED:
            amount = _given_back(connection, row, amount)
            change = -amount
        if change:
            _change_used(connection, row, change)
        connection.execute(
            update(reservations)
            .where(_is(row))
            .values(state=state, amount=amount, updated_ms=now_ms)
        )


def usage(
    connection: Connection, counters: Iterable[str] | None, starts_ms: Iterable[int] | None
) -> list[Usage]:
    """Return what is used, by counter and window, the newest window first."""
    query = select(budgets).order_by(budgets.c.window_start_ms.desc(), budgets.c.counter)
    if counters is not None:
        query = query.where(budgets.c.counter.in_(list(counters)))
    if starts_ms is not None:
        query = query.where(budgets.c.window_start_ms.in_(list(starts_ms)))
    return [Usage(**row) for row in connection.execute(query).mappings()]


def _settled(
    row: RowMapping, state: OperationState, outcome: Outcome | None
) -> tuple[str, int, int]:
    """Return a reservation's new state and amount, and by how much its counter changes.

    An effect that is proven after its part was released counts all the same.
    """
    amount = int(row["amount"])
    if row["kind"] == "calls":
        return _SETTLED, amount, 0
    if state is not OperationState.SUCCEEDED:
        back = amount if row["state"] == _HELD and row["kind"] == "money" else 0
        return _RELEASED, amount, -back
    spent = _collected(row, outcome)
    return _SETTLED, spent, spent - (amount if row["state"] == _HELD else 0)


def _given_back(connection: Connection, row: RowMapping, refunded: int) -> int:
    """Return how much of a refund its payment still holds of the counter, and take it from there.

    The counter's row is locked first, as everywhere: of two refunds the second sees what is left.
    """
    used = select(budgets.c.used).where(_counts(row["counter"], row["window_start_ms"]))
    connection.execute(used.with_for_update())
    paid = _row(connection, str(row["restores"]), row["counter"])
    if paid is None or paid["state"] != _SETTLED or paid["kind"] != "money":
        return 0
    back = min(refunded, int(paid["amount"]))
    _change_holding(connection, paid["operation_id"], paid["counter"], -back)
    return back


def _change_holding(connection: Connection, spent_by: str, counter: str, change: int) -> None:
    whose = {"operation_id": spent_by, "counter": counter}
    amount = reservations.c.amount + change
    connection.execute(update(reservations).where(_is(whose)).values(amount=amount))


def _collected(row: RowMapping, outcome: Outcome | None) -> int:
    """Return what was really collected; what was reserved where that is not told."""
    known = outcome is not None and outcome.currency == row["currency"]
    if outcome is None or not known or outcome.amount_minor is None:
        return int(row["amount"])
    return outcome.amount_minor


def _window_of(connection: Connection, part: Reservation, at_ms: int) -> int:
    """Return when the window began that a part counts in: a refund's is that of its payment."""
    restores = part.kind == "restore"
    paid = _row(connection, str(part.restores), part.counter) if restores else None
    return window_start_ms(part.per, at_ms) if paid is None else int(paid["window_start_ms"])


def _add(dialect: Dialect, connection: Connection, part: Reservation, start: int) -> None:
    new = {"counter": part.counter, "window_start_ms": start, "used": 0}
    connection.execute(dialect.insert_unless_there(budgets, new))
    connection.execute(
        update(budgets)
        .where(_counts(part.counter, start))
        .values(used=budgets.c.used + part.amount)
    )


def _take(dialect: Dialect, connection: Connection, part: Reservation, start: int) -> None:
    if _taken(connection, part, start):
        return
    # Too much, or no row yet: one that appears now is another's first, and may have room left.
    new = {"counter": part.counter, "window_start_ms": start, "used": 0}
    connection.execute(dialect.insert_unless_there(budgets, new))
    used = _locked_used(connection, part.counter, start)
    if not _taken(connection, part, start):
        raise BudgetExceeded(part, max(0, part.limit - used))


def _hold_more(
    dialect: Dialect, connection: Connection, held: RowMapping, part: Reservation, now_ms: int
) -> None:
    """Take what is asked for beyond what is held, in the window in which that is held.

    StaleLease if the operation is settled meanwhile.
    """
    more = part.amount - int(held["amount"])
    if part.kind != "money" or more <= 0:
        return
    _take(dialect, connection, replace(part, amount=more), held["window_start_ms"])
    as_seen = and_(
        _is(held), reservations.c.state == _HELD, reservations.c.amount == held["amount"]
    )
    values = {"amount": part.amount, "updated_ms": now_ms}
    if connection.execute(update(reservations).where(as_seen).values(**values)).rowcount != 1:
        raise StaleLease(held["operation_id"])


def _taken(connection: Connection, part: Reservation, start: int) -> bool:
    done = connection.execute(
        update(budgets)
        .where(_counts(part.counter, start), budgets.c.used + part.amount <= part.limit)
        .values(used=budgets.c.used + part.amount)
    )
    return done.rowcount == 1


def _change_used(connection: Connection, row: RowMapping, change: int) -> None:
    """Add to a counter, or take away from it: never below zero."""
    after = budgets.c.used + change
    connection.execute(
        update(budgets)
        .where(_counts(row["counter"], row["window_start_ms"]))
        .values(used=case((after > 0, after), else_=0))
    )


def _locked_used(connection: Connection, counter: str, start: int) -> int:
    query = select(budgets.c.used).where(_counts(counter, start)).with_for_update()
    return int(connection.execute(query).scalar_one())


def _row(connection: Connection, operation_id: str, counter: str) -> RowMapping | None:
    query = select(reservations).where(
        reservations.c.operation_id == operation_id, reservations.c.counter == counter
    )
    return connection.execute(query).mappings().first()


def _insert(
    connection: Connection, whose: str, part: Reservation, part_row: dict[str, Any]
) -> None:
    row = {"operation_id": whose, "counter": part.counter, **part_row}
    connection.execute(insert(reservations), row)


def _part_row(part: Reservation, start: int, now_ms: int) -> dict[str, Any]:
    return {
        "window_start_ms": start,
        "rule": part.rule,
        "kind": part.kind,
        "amount": part.amount,
        "currency": part.currency,
        "state": _HELD,
        "updated_ms": now_ms,
        "restores": part.restores,
    }


def _counts(counter: str, start: int) -> Any:
    return and_(budgets.c.counter == counter, budgets.c.window_start_ms == start)


def _is(row: Mapping[Any, Any]) -> Any:
    return and_(
        reservations.c.operation_id == row["operation_id"],
        reservations.c.counter == row["counter"],
    )


def freeze(connection: Connection, write: FreezeScope, now_ms: int) -> None:
    """Stop whom the scope matches."""
    connection.execute(
        insert(table),
        {
            "freeze_id": write.freeze_id,
            "scope": write.scope,
            "reason": write.reason,
            "frozen_by": write.by,
            "frozen_ms": now_ms,
        },
    )


_IN_FORCE = select(table).where(table.c.unfrozen_ms.is_(None)).order_by(table.c.frozen_ms)


@cache
def _in_force_among(number: int) -> Prepared:
    """Return the query for so many scopes. Each call of a verb asks it, with as many."""
    scopes: list[Any] = [bindparam(f"scope{n}") for n in range(number)]
    return Prepared(_IN_FORCE.where(table.c.scope.in_(scopes)))


def unfreeze(connection: Connection, write: UnfreezeScope, now_ms: int) -> None:
    """End every freeze of this very scope; StaleLease if there is none."""
    done = connection.execute(
        update(table)
        .where(table.c.scope == write.scope, table.c.unfrozen_ms.is_(None))
        .values(unfrozen_by=write.by, unfrozen_ms=now_ms)
    )
    if done.rowcount < 1:
        raise StaleLease(write.scope)


def active(connection: Connection, scopes: Iterable[str] | None) -> list[Freeze]:
    """Return the freezes in force, the oldest first; of these scopes only, unless None."""
    if scopes is None:
        return [Freeze(**row) for row in connection.execute(_IN_FORCE).mappings()]
    asked = {f"scope{number}": scope for number, scope in enumerate(scopes)}
    return [Freeze(**row._asdict()) for row in _in_force_among(len(asked)).rows(connection, asked)]


def history(connection: Connection, limit: int) -> list[Freeze]:
    """Return freezes, ended ones too, the newest first."""
    query = select(table).order_by(table.c.frozen_ms.desc()).limit(limit)
    return [Freeze(**row) for row in connection.execute(query).mappings()]
