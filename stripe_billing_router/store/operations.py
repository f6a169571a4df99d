"""Writes and reads of `stripe_operations`. Every change of state is a compare-and-set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    FromClause,
    Select,
    and_,
    bindparam,
    desc,
    false,
    insert,
    literal,
    or_,
    select,
    union,
    union_all,
    update,
)
from sqlalchemy.exc import IntegrityError

from ..models import (
    BOT_MAY_ASK_FOR_MS,
    HAPPENED,
    NEXT_STATES,
    ClaimLook,
    CloseOperation,
    OpenOperation,
    Operation,
    OperationState,
    RecordOutputs,
    ReopenOperation,
    TakeLease,
)
from ..ports import DuplicateOperation, StaleLease, TwinInDoubt
from .codec import (
    Encode,
    Sealing,
    operation_of,
    operation_row,
    outcome_json,
    outputs_json,
    unrepeated,
)
from .prepared import Prepared
from .schema import operations as table
from .twins import IsAlive

_PLANNED = (
    "region effect_hash steps api_version account_id key_fingerprint amount_minor currency "
    "customer_id user_email arguments skew_ms started_ms"
).split()
"""What a new plan may change."""

_UNTOUCHED = (OperationState.ABANDONED, OperationState.AWAITING_APPROVAL)
"""The states from which an operation begins with a new plan."""

_IN_DOUBT = (OperationState.UNKNOWN, OperationState.REQUIRES_ACTION)


_EQUAL = select(
    table.c.operation_id,
    table.c.state,
    table.c.lease_until_ms,
    table.c.lease_owner,
    table.c.blocks_until_ms,
    table.c.doubted_until_ms,
).where(table.c.input_hash == bindparam("input_hash"), table.c.idempotency_key.is_(None))
_OPEN = [literal(str(state)) for state in (*_IN_DOUBT, OperationState.PENDING)]
# Not one query with OR, for which databases read every equal operation that ever was.
_TWINS = Prepared(
    union(
        _EQUAL.where(table.c.state.in_(_OPEN)),
        _EQUAL.where(table.c.blocks_until_ms > bindparam("now_ms")),
        _EQUAL.where(table.c.doubted_until_ms > bindparam("now_ms")),
    )
)
_INSERT = Prepared(insert(table))
_LOAD = Prepared(select(table).where(table.c.operation_id == bindparam("operation_id")))


def open_operation(
    connection: Connection, write: OpenOperation, now_ms: int, is_alive: IsAlive, sealing: Sealing
) -> None:
    """Insert an intent; DuplicateOperation or TwinInDoubt if it must not be."""
    operation = write.operation
    if operation.idempotency_key is None:
        _refuse_twin(connection, operation.input_hash, now_ms, is_alive, sealing)
    held = {
        "lease_token": write.lease_token,
        "lease_until_ms": now_ms + write.lease_ms,
        "lease_owner": write.lease_owner,
    }
    _insert(connection, operation, now_ms, held, sealing)


def rewrite(
    connection: Connection, intent: Operation, token: str | None, now_ms: int, sealing: Sealing
) -> None:
    """Insert an intent that the database has lost, so that it can be closed.

    It has happened, so that nothing refuses it; StaleLease if it is there.
    """
    begun = replace(intent, state=OperationState.PENDING, outcome=None, outcome_seal=None)
    times = {name: getattr(intent, name) or now_ms for name in ("created_ms", "started_ms")}
    held = {"lease_token": token, "lease_until_ms": now_ms, "updated_ms": now_ms}
    row = {**operation_row(begun), **times, **held}
    try:
        _INSERT.change(connection, {**row, "seal": sealing.intent(row)})
    except IntegrityError:
        raise StaleLease(intent.operation_id) from None


def _refuse_twin(
    connection: Connection, input_hash: str, now_ms: int, is_alive: IsAlive, sealing: Sealing
) -> None:
    """Two equal calls are two payments, unless nobody has told what became of the first.

    A twin under way is no obstacle while its call provably runs: one in a container that is
    gone may have paid, and its bot may be asking again.
    """
    asked = {"input_hash": input_hash, "now_ms": now_ms}

    def over() -> dict[str, OperationState]:
        return {
            twin.operation_id: state
            for twin in _TWINS.rows(connection, asked)
            if (state := _doubt(connection, twin, now_ms, is_alive, sealing)) is not None
        }

    # A call may end well while its row is read. So what was seen to be over is read once more.
    before: dict[str, OperationState] = {}
    while now_over := over():
        for operation_id in before.keys() & now_over:
            raise TwinInDoubt(operation_id, now_over[operation_id])
        before = now_over


def _doubt(
    connection: Connection, twin: Any, now_ms: int, is_alive: IsAlive, sealing: Sealing
) -> OperationState | None:
    """Return the state of an equal operation in doubt whose call does not provably run, or None."""
    state = OperationState(twin.state)
    if state is OperationState.PENDING:
        # A call that was in doubt is not under way again, whoever says that they run it.
        held = twin.lease_until_ms > now_ms and (twin.doubted_until_ms or 0) <= now_ms
        return None if held and is_alive(twin.lease_owner, twin.operation_id) else state
    if state in _IN_DOUBT or (twin.blocks_until_ms or 0) > now_ms:
        return state
    # Somebody took it out of doubt: a holder of a key says so under a seal.
    found = load(connection, twin.operation_id)
    proven = found is not None and sealing.proof(found).may_be_told
    return None if proven else OperationState.UNKNOWN


def reopen_operation(
    connection: Connection, write: ReopenOperation, now_ms: int, sealing: Sealing
) -> None:
    """Give an operation that has had no effect a new plan and a lease; StaleLease if it has."""
    changes = {
        **_planned(write.operation, OperationState.PENDING, now_ms, sealing),
        "lease_token": write.lease_token,
        "lease_until_ms": now_ms + write.lease_ms,
        "lease_owner": write.lease_owner,
        "outputs": "[]",
        "outputs_seal": None,
        "outcome": None,
        "outcome_seal": None,
    }
    untouched = [
        _holds(None),
        table.c.state.in_(_UNTOUCHED),
        table.c.generation == write.operation.generation,
    ]
    _change(connection, write.operation.operation_id, untouched, changes, now_ms)


def await_approval(
    connection: Connection, operation: Operation, now_ms: int, sealing: Sealing
) -> None:
    """Write an intent that waits for a person; DuplicateOperation or StaleLease if it must not be.

    What waits already gets the new plan. What was abandoned stays so: it may be proven yet.
    """
    query = select(table.c.state).where(table.c.operation_id == operation.operation_id)
    state = connection.execute(query.with_for_update()).scalar()
    if state is None:
        waiting = {"state": str(OperationState.AWAITING_APPROVAL)}
        _insert(connection, operation, now_ms, waiting, sealing)
    elif state == OperationState.AWAITING_APPROVAL:
        changes = _planned(operation, OperationState.AWAITING_APPROVAL, now_ms, sealing)
        _change(connection, operation.operation_id, [], changes, now_ms)
    elif state != OperationState.ABANDONED:
        raise StaleLease(operation.operation_id)


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


def record_outputs(
    connection: Connection, write: RecordOutputs, now_ms: int, sealing: Sealing
) -> None:
    """Store what the steps so far gave."""
    gave = outputs_json(write.outputs)
    seal = sealing.outputs(write.operation_id, write.attempt, gave)
    _change(
        connection,
        write.operation_id,
        [_holds(write.lease_token), table.c.state == OperationState.PENDING],
        {"outputs": gave, "outputs_seal": seal},
        now_ms,
    )


def claim_look(connection: Connection, write: ClaimLook, now_ms: int) -> None:
    """Let one process at a time look at an operation that waits."""
    as_seen = [_holds(None), table.c.updated_ms == write.seen_ms]
    _change(connection, write.operation_id, as_seen, {}, now_ms)


def close_operation(
    connection: Connection, write: CloseOperation, now_ms: int, encode: Encode, sealing: Sealing
) -> None:
    """Move the operation on and release its lease; StaleLease if it has moved on, or was begun
    anew."""
    given: dict[str, Any] = {"of": write.operation_id, "at_ms": now_ms, "was": write.generation}
    if write.attempt:
        given["named"] = f"{write.attempt}.%"
    of, attempt, generation = write.operation_id, write.attempt, write.generation + write.used_up
    given["told"] = outcome_json(write.outcome, encode)
    given["told_seal"] = sealing.outcome(of, attempt, generation, write.state, given["told"])
    if write.lease_token is not None:
        given["token"] = write.lease_token
    if write.outputs is not None:
        given["gave"] = outputs_json(write.outputs, encode)
        given["gave_seal"] = sealing.outputs(of, attempt, given["gave"])
        given["told"] = unrepeated(given["told"], write.outputs, encode)
    if write.blocks_twins_for_ms:
        given["blocks"] = now_ms + write.blocks_twins_for_ms
    statement = _closing(write.state, frozenset(given), write.used_up)
    if statement.change(connection, given) != 1:
        raise StaleLease(write.operation_id)


@cache
def _closing(state: OperationState, given: frozenset[str], used_up: bool) -> Prepared:
    """Return the statement that closes with `state` and takes what is `given`."""
    before = [before for before, after in NEXT_STATES.items() if state in after]
    held = table.c.lease_token
    changes: dict[str, Any] = {
        "state": state,
        "lease_token": None,
        "lease_until_ms": 0,
        "outcome": bindparam("told"),
        "outcome_seal": bindparam("told_seal"),
        "updated_ms": bindparam("at_ms"),
    }
    if "gave" in given:
        changes["outputs"] = bindparam("gave")
        changes["outputs_seal"] = bindparam("gave_seal")
    if "blocks" in given:
        changes["blocks_until_ms"] = bindparam("blocks")
    if used_up:
        changes["generation"] = table.c.generation + 1
    return Prepared(
        update(table)
        .where(table.c.operation_id == bindparam("of"))
        .where(held == bindparam("token") if "token" in given else held.is_(None))
        .where(or_(false(), *(table.c.state == str(known) for known in before)))
        .where(table.c.generation == bindparam("was"))
        .where(*_of_attempt(given))
        .values(**changes)
    )


def leave_unheard(connection: Connection, operation_id: str, now_ms: int) -> bool:
    """Keep equal calls waiting for a day if an operation has happened, and say whether it has."""
    has_happened = table.c.operation_id == operation_id, table.c.state.in_(HAPPENED)
    values = {"blocks_until_ms": now_ms + BOT_MAY_ASK_FOR_MS}
    return connection.execute(update(table).where(*has_happened).values(values)).rowcount == 1


def _of_attempt(given: frozenset[str]) -> Iterable[ColumnElement[bool]]:
    """A row that was written without keys bears no seal, nor the name of its attempt in it."""
    if "named" in given:
        yield or_(table.c.seal.is_(None), table.c.seal.like(bindparam("named")))


def load(connection: Connection, operation_id: str) -> Operation | None:
    """Return an operation, or None."""
    row = _LOAD.first(connection, {"operation_id": operation_id})
    return None if row is None else operation_of(row._asdict())


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
    wanted = None if states is None else tuple(sorted(map(str, states)))
    if wanted == ():
        return []
    query = _page(wanted, newest_first, of_bot=bot_id is not None, goes_on=after is not None)
    given: dict[str, Any] = {"most": limit}
    if bot_id is not None:
        given["bot"] = bot_id
    if after is not None:
        given["time"], given["name"] = after
    return [operation_of(row._mapping) for row in connection.execute(query, given)]


@cache
def _page(
    states: tuple[str, ...] | None, newest_first: bool, *, of_bot: bool, goes_on: bool
) -> Select[Any]:
    query = select(table)
    if goes_on:
        query = query.where(_beyond(newest_first))
    if of_bot:
        query = query.where(table.c.bot_id == bindparam("bot"))

    def page(rows: Select[Any], of: FromClause) -> Select[Any]:
        by = of.c.created_ms, of.c.operation_id
        most: BindParameter[int] = bindparam("most")
        return rows.order_by(*(desc(it) if newest_first else it for it in by)).limit(most)

    if states is None:
        return page(query, table)
    # An index holds the rows of one state in this order; those of several would be sorted.
    of_each = [page(query.where(table.c.state == state), table) for state in states]
    of_all = union_all(*(select(some.subquery()) for some in of_each)).subquery()
    return page(select(of_all), of_all)


def _beyond(newest_first: bool) -> ColumnElement[bool]:
    """Compared as a pair, MariaDB would not use its index."""
    time, name = table.c.created_ms, table.c.operation_id
    last: BindParameter[int] = bindparam("time")
    last_name: BindParameter[str] = bindparam("name")
    if newest_first:
        return and_(time <= last, or_(time < last, name < last_name))
    return and_(time >= last, or_(time > last, name > last_name))


def _insert(
    connection: Connection,
    operation: Operation,
    now_ms: int,
    changes: dict[str, Any],
    sealing: Sealing,
) -> None:
    times = {"created_ms": now_ms, "started_ms": now_ms, "updated_ms": now_ms}
    row = {**operation_row(operation), **times, **changes}
    try:
        _INSERT.change(connection, {**row, "seal": sealing.intent(row)})
    except IntegrityError:
        raise DuplicateOperation(operation.operation_id) from None


def _planned(
    operation: Operation, begins: OperationState, now_ms: int, sealing: Sealing
) -> dict[str, Any]:
    row = {**operation_row(operation), "started_ms": now_ms, "state": str(begins)}
    planned = {name: row[name] for name in _PLANNED}
    return {**planned, "state": begins, "seal": sealing.intent(row)}


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
