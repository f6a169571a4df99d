"""Writes and reads of `stripe_operations`. Every change of state is a compare-and-set."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, insert, or_, select, tuple_, update
from sqlalchemy.exc import IntegrityError

from ..models import (
    NEXT_STATES,
    CloseOperation,
    OpenOperation,
    Operation,
    OperationState,
    RecordOutputs,
    ReopenOperation,
    TakeLease,
)
from ..ports import DuplicateOperation, StaleLease, TwinInDoubt
from .codec import operation_of, operation_row, outcome_json, outputs_json
from .schema import operations as table

_PLANNED = (
    "region effect_hash steps api_version account_id key_fingerprint amount_minor currency "
    "customer_id user_email arguments skew_ms"
).split()
"""What a new plan may change."""

_IN_DOUBT = (OperationState.UNKNOWN, OperationState.REQUIRES_ACTION)


IsAlive = Callable[[str | None], bool]
"""Says whether the process that holds a lease provably still runs."""


def open_operation(
    connection: Connection, write: OpenOperation, now_ms: int, is_alive: IsAlive
) -> None:
    """Insert an intent; DuplicateOperation or TwinInDoubt if it must not be."""
    operation = write.operation
    if operation.idempotency_key is None:
        _refuse_twin(connection, operation.input_hash, now_ms, is_alive)
    opened = replace(
        operation,
        created_ms=now_ms,
        started_ms=now_ms,
        updated_ms=now_ms,
        lease_token=write.lease_token,
        lease_until_ms=now_ms + write.lease_ms,
        lease_owner=write.lease_owner,
    )
    try:
        connection.execute(insert(table), operation_row(opened))
    except IntegrityError:
        raise DuplicateOperation(operation.operation_id) from None


def _refuse_twin(connection: Connection, input_hash: str, now_ms: int, is_alive: IsAlive) -> None:
    """Two equal calls are two payments, unless nobody has told what became of the first.

    A twin under way is no obstacle while its process provably runs: one in a container that is
    gone may have paid, and its bot may be asking again.
    """
    open_states = (*_IN_DOUBT, OperationState.PENDING)
    undelivered = table.c.blocks_until_ms > now_ms
    twins = connection.execute(
        select(table.c.operation_id, table.c.state, table.c.lease_until_ms, table.c.lease_owner)
        .where(table.c.input_hash == input_hash, table.c.idempotency_key.is_(None))
        .where(or_(table.c.state.in_(open_states), undelivered))
    )
    for twin in twins:
        running = twin.state == OperationState.PENDING and twin.lease_until_ms > now_ms
        if not running or not is_alive(twin.lease_owner):
            raise TwinInDoubt(twin.operation_id, twin.state)


def reopen_operation(connection: Connection, write: ReopenOperation, now_ms: int) -> None:
    """Give an abandoned operation a new plan and a lease; StaleLease if it is not abandoned."""
    row = operation_row(write.operation)
    changes = {
        **{name: row[name] for name in _PLANNED},
        "state": OperationState.PENDING,
        "started_ms": now_ms,
        "lease_token": write.lease_token,
        "lease_until_ms": now_ms + write.lease_ms,
        "lease_owner": write.lease_owner,
        "outputs": "[]",
        "outcome": None,
    }
    abandoned = [
        _holds(None),
        table.c.state == OperationState.ABANDONED,
        table.c.generation == write.operation.generation,
    ]
    _change(connection, write.operation.operation_id, abandoned, changes, now_ms)


def take_lease(connection: Connection, write: TakeLease, now_ms: int) -> None:
    """Give the operation to a new holder; StaleLease if it is not to be had."""
    conditions = [_holds(write.previous_token), table.c.state.in_(write.states)]
    if write.max_age_ms is not None:
        conditions.append(table.c.started_ms > now_ms - write.max_age_ms)
    if not write.by_force:
        conditions.append(table.c.lease_until_ms <= now_ms)
    changes = {
        "state": OperationState.PENDING,
        "lease_token": write.lease_token,
        "lease_until_ms": now_ms + write.lease_ms,
        "lease_owner": write.lease_owner,
    }
    _change(connection, write.operation_id, conditions, changes, now_ms)


def record_outputs(connection: Connection, write: RecordOutputs, now_ms: int) -> None:
    """Store what the steps so far gave."""
    _change(
        connection,
        write.operation_id,
        [_holds(write.lease_token), table.c.state == OperationState.PENDING],
        {"outputs": outputs_json(write.outputs)},
        now_ms,
    )


def close_operation(connection: Connection, write: CloseOperation, now_ms: int) -> None:
    """Move the operation on and release its lease."""
    before = [state for state, after in NEXT_STATES.items() if write.state in after]
    changes: dict[str, Any] = {
        "state": write.state,
        "lease_token": None,
        "lease_until_ms": 0,
        "outcome": outcome_json(write.outcome),
    }
    if write.blocks_twins_for_ms:
        changes["blocks_until_ms"] = now_ms + write.blocks_twins_for_ms
    if write.used_up:
        changes["generation"] = table.c.generation + 1
    if write.outputs is not None:
        changes["outputs"] = outputs_json(write.outputs)
    conditions = [_holds(write.lease_token), table.c.state.in_(before)]
    _change(connection, write.operation_id, conditions, changes, now_ms)


def load(connection: Connection, operation_id: str) -> Operation | None:
    """Return an operation, or None."""
    row = connection.execute(select(table).where(table.c.operation_id == operation_id)).first()
    return None if row is None else operation_of(row._mapping)


def find(
    connection: Connection,
    *,
    states: Iterable[OperationState] | None = None,
    bot_id: str | None = None,
    limit: int = 100,
    newest_first: bool = True,
    after: tuple[int, str] | None = None,
) -> list[Operation]:
    """Return operations by the time of their intent; `after` is where a page before ended."""
    place = tuple_(table.c.created_ms, table.c.operation_id)
    query = select(table).limit(limit)
    if newest_first:
        query = query.order_by(table.c.created_ms.desc(), table.c.operation_id.desc())
    else:
        query = query.order_by(table.c.created_ms, table.c.operation_id)
    if after is not None:
        query = query.where(place < after if newest_first else place > after)
    if states is not None:
        query = query.where(table.c.state.in_(list(states)))
    if bot_id is not None:
        query = query.where(table.c.bot_id == bot_id)
    return [operation_of(row._mapping) for row in connection.execute(query)]


def _holds(token: str | None) -> ColumnElement[bool]:
    return table.c.lease_token.is_(None) if token is None else table.c.lease_token == token


def _change(
    connection: Connection,
    operation_id: str,
    conditions: Iterable[ColumnElement[bool]],
    changes: dict[str, Any],
    now_ms: int,
) -> None:
    done = connection.execute(
        update(table)
        .where(table.c.operation_id == operation_id, *conditions)
        .values(updated_ms=now_ms, **changes)
    )
    if done.rowcount != 1:
        raise StaleLease(operation_id)
