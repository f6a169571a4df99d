"""Budgets, approvals and freezes, broken on purpose."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from sqlalchemy import update

from stripe_billing_router.engine.doubt.recovery import Recovery
from stripe_billing_router.engine.executing import Executor
from stripe_billing_router.engine.guards import policing
from stripe_billing_router.engine.guards.approving import Approvals
from stripe_billing_router.engine.guards.policing import spender_of
from stripe_billing_router.engine.leases import Leases
from stripe_billing_router.models import (
    ApprovalState,
    OperationState,
    Reserve,
    UseApproval,
    window_start_ms,
)
from stripe_billing_router.providers.stripe import provider as stripe_provider
from stripe_billing_router.store import FallbackStore, approvals, budgets, schema
from tests.simulation.broken import Broken, always, nothing, replaced
from tests.simulation.schedule import CardIsReplaced, Freeze, Owes, Schedule, Suspend

renew, reserve = Leases.renew, budgets.reserve

# -- budgets ------------------------------------------------------------------------------------


@contextmanager
def _reserved_after_the_intent() -> Iterator[None]:
    commit = FallbackStore.commit

    def apart(self: Any, *writes: Any) -> None:
        reserves = [write for write in writes if isinstance(write, Reserve)]
        others = [write for write in writes if not isinstance(write, Reserve)]
        for part in (others, reserves):
            if part:
                commit(self, *part)

    with patch.object(FallbackStore, "commit", apart):
        yield


@contextmanager
def _recovery_settles_nothing() -> Iterator[None]:
    settle, run = budgets.settle, Recovery.run
    recovering: list[object] = []

    def settle_unless(*given: Any) -> None:
        if not recovering:
            settle(*given)

    def recover(self: Any, *given: Any) -> Any:
        recovering.append(self)
        try:
            return run(self, *given)
        finally:
            recovering.pop()

    with (
        patch.object(budgets, "settle", settle_unless),
        patch.object(Recovery, "run", recover),
    ):
        yield


def _reserved_whoever_holds_it(self: Any, lease: Any, writes: Any = ()) -> None:
    if writes:
        self._store.commit(*writes)
    else:
        renew(self, lease)


def _taken_whatever_is_left(connection: Any, part: Any, start: int) -> bool:
    table = schema.budgets
    done = connection.execute(
        update(table)
        .where(table.c.counter == part.counter, table.c.window_start_ms == start)
        .values(used=table.c.used + part.amount)
    )
    return bool(done.rowcount == 1)


@contextmanager
def _failed_refunds_give_back() -> Iterator[None]:
    settled = budgets._settled

    def generous(row: Any, state: Any, outcome: Any) -> Any:
        if row["kind"] == "restore" and state is not OperationState.SUCCEEDED:
            return "settled", row["amount"], -row["amount"]
        return settled(row, state, outcome)

    with patch.object(budgets, "_settled", generous):
        yield


def _whoever_was_paid(paid: Any) -> str:
    return spender_of(paid) or "op_of_somebody"


def _given_back_today(dialect: Any, connection: Any, write: Reserve, now_ms: int) -> None:
    reserve(dialect, connection, write, now_ms)
    part, table = write.reservation, schema.reservations
    if part.kind == "restore":
        today = window_start_ms(part.per, now_ms)
        whose = table.c.operation_id == write.operation_id, table.c.counter == part.counter
        connection.execute(update(table).where(*whose).values(window_start_ms=today))


# -- approvals ----------------------------------------------------------------------------------


@contextmanager
def _approved_is_whatever_is_done() -> Iterator[None]:
    granted = Approvals.granted

    def any_effect(self: Any, operation: Any, rule: str) -> UseApproval:
        for known in self._store.approvals(operation_id=operation.operation_id):
            if known.state is ApprovalState.APPROVED:
                return UseApproval(known.approval_id, known.operation_id, known.effect_hash)
        return granted(self, operation, rule)

    with patch.object(Approvals, "granted", any_effect):
        yield


# -- freezes ------------------------------------------------------------------------------------


def _account_and_rules_only(self: Any, operation: Any, keys: Any) -> Any:
    self._parts.accounts.check(operation.bot, keys)
    return self._parts.policing.rechecked(operation)


def _rules_only(self: Any, operation: Any) -> Any:
    return self._parts.policing.rechecked(operation)


def _limited(schedule: Schedule) -> bool:
    return schedule.house.has_budgets


def _gives_back(schedule: Schedule) -> bool:
    return schedule.house.gives_back and any(i.verb == "refund" for i in schedule.intents)


def _asked(schedule: Schedule) -> bool:
    return schedule.house.asks_people


GUARD_MUTATIONS: dict[str, Broken] = {
    "what is reserved is committed after the intent": Broken(
        _reserved_after_the_intent, where=_limited
    ),
    "what is in doubt is released": Broken(
        replaced(budgets, "_ENDS", budgets._ENDS | {OperationState.UNKNOWN}), where=_limited
    ),
    "recovery settles no budget": Broken(_recovery_settles_nothing, where=_limited),
    "who was taken over reserves all the same": Broken(
        replaced(Leases, "renew", _reserved_whoever_holds_it), (Suspend,), where=_limited
    ),
    "more is taken of a budget than is left": Broken(
        replaced(budgets, "_taken", _taken_whatever_is_left), where=_limited
    ),
    "a subscription is paid before it is seen what is due": Broken(
        replaced(stripe_provider, "carefully", lambda plan: plan), (Owes,), where=_limited
    ),
    "a page is opened whatever its customer owes": Broken(
        replaced(stripe_provider, "due_beside", always(None)), (Owes,), where=_limited
    ),
    "a failed refund gives back": Broken(_failed_refunds_give_back, where=_gives_back),
    "a refund of somebody else's payment gives back": Broken(
        replaced(policing, "spender_of", _whoever_was_paid), where=_gives_back
    ),
    "a refund gives back to the day on which it is made": Broken(
        replaced(budgets, "reserve", _given_back_today), where=_gives_back
    ),
    "a refund gives nothing back": Broken(
        replaced(budgets, "_given_back", always(0)), where=_gives_back
    ),
    "what is given back can be given back again": Broken(
        replaced(budgets, "_change_holding", nothing), where=_gives_back
    ),
    "an approval is not used up": Broken(replaced(approvals, "use", nothing), where=_asked),
    "an approval is good for whatever its operation does": Broken(
        _approved_is_whatever_is_done, (CardIsReplaced,), where=_asked
    ),
    "a freeze does not stop a call that is resumed, or sent again": Broken(
        replaced(Executor, "recheck", _account_and_rules_only), (Freeze,)
    ),
    "a freeze does not stop recovery": Broken(
        replaced(Recovery, "_check_call", _rules_only), (Freeze,)
    ),
}
