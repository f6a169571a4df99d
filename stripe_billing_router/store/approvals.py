"""`stripe_approvals`: what people were asked, and what they said. Nothing is deleted.

A row's time runs out without anybody writing so: a pending or approved one reads as expired then.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, insert, or_, select, update

from ..models import (
    Approval,
    ApprovalState,
    AskApproval,
    DecideApproval,
    OperationState,
    UseApproval,
)
from ..ports import ApprovalNotGiven, StaleLease
from . import operations
from .codec import Sealing, approval_of, approval_row, outcome_json
from .rows import readable
from .schema import approvals as table
from .schema import operations as operation_table

_OPEN = (ApprovalState.PENDING, ApprovalState.APPROVED)


def ask(connection: Connection, write: AskApproval, now_ms: int, sealing: Sealing) -> None:
    """Write the intent as awaiting, and the question.

    StaleLease if the operation has moved on, or the same has been asked meanwhile.
    """
    operations.await_approval(connection, write.operation, now_ms, sealing)
    if any(
        approval.covers(write.approval)
        for approval in find(connection, now_ms, operation_id=write.operation.operation_id)
        if approval.state in _OPEN
    ):
        raise StaleLease(write.operation.operation_id)
    asked = replace(
        write.approval,
        state=ApprovalState.PENDING,
        requested_ms=now_ms,
        expires_ms=now_ms + write.expires_in_ms,
    )
    connection.execute(insert(table), approval_row(asked))


def use(connection: Connection, write: UseApproval, now_ms: int) -> None:
    """Use an approval up; ApprovalNotGiven unless it is given, in time, and for this."""
    done = connection.execute(
        update(table)
        .where(
            table.c.approval_id == write.approval_id,
            table.c.operation_id == write.operation_id,
            table.c.effect_hash == write.effect_hash,
            table.c.state == ApprovalState.APPROVED,
            table.c.expires_ms > now_ms,
        )
        .values(state=ApprovalState.USED)
    )
    if done.rowcount != 1:
        raise ApprovalNotGiven(write.approval_id)


def decide(connection: Connection, write: DecideApproval, now_ms: int) -> None:
    """Write a person's decision down; StaleLease unless it can still be taken.

    What was approved can be rejected until it is used; a rejected operation is over.
    """
    approved = write.state is ApprovalState.APPROVED
    done = connection.execute(
        update(table)
        .where(
            table.c.approval_id == write.approval_id,
            table.c.state.in_(_OPEN[:1] if approved else _OPEN),
            table.c.expires_ms > now_ms,
        )
        .values(state=write.state, decided_ms=now_ms, decided_by=write.by, note=write.note)
    )
    if done.rowcount != 1:
        raise StaleLease(write.approval_id)
    if not approved:
        _end_operation(connection, write, now_ms)


def find(
    connection: Connection,
    now_ms: int,
    *,
    approval_id: str | None = None,
    operation_id: str | None = None,
    bot_id: str | None = None,
    input_hash: str | None = None,
    states: Iterable[ApprovalState] | None = None,
    limit: int = 100,
) -> list[Approval]:
    """Return approvals, the newest first."""
    wanted = {
        "approval_id": approval_id,
        "operation_id": operation_id,
        "bot_id": bot_id,
        "input_hash": input_hash,
    }
    query = (
        select(table).order_by(table.c.requested_ms.desc(), table.c.approval_id.desc()).limit(limit)
    )
    for name, value in wanted.items():
        if value is not None:
            query = query.where(table.c[name] == value)
    if states is not None:
        query = query.where(or_(*(_reads_as(state, now_ms) for state in states)))
    found = readable(table, approval_of, connection.execute(query).mappings())
    return [_at(approval, now_ms) for approval in found]


def _reads_as(state: ApprovalState, now_ms: int) -> ColumnElement[bool]:
    over = and_(table.c.state.in_(_OPEN), table.c.expires_ms <= now_ms)
    if state is ApprovalState.EXPIRED:
        return over
    stored: Any = table.c.state == state
    return and_(stored, table.c.expires_ms > now_ms) if state in _OPEN else stored


def _at(approval: Approval, now_ms: int) -> Approval:
    over = approval.state in _OPEN and approval.expires_ms <= now_ms
    return replace(approval, state=ApprovalState.EXPIRED) if over else approval


def _end_operation(connection: Connection, write: DecideApproval, now_ms: int) -> None:
    """One that was begun before, and abandoned, stays so: its effect may yet be proven."""
    operation_id = select(table.c.operation_id).where(table.c.approval_id == write.approval_id)
    connection.execute(
        update(operation_table)
        .where(
            operation_table.c.operation_id == operation_id.scalar_subquery(),
            operation_table.c.state == OperationState.AWAITING_APPROVAL,
        )
        .values(
            state=OperationState.CANCELED, outcome=outcome_json(write.outcome), updated_ms=now_ms
        )
    )
