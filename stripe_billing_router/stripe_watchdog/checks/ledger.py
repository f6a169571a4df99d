"""The ledger and the operations, as they stand by themselves."""

from __future__ import annotations

from ...models import OperationState
from ..cases import BrokenStream, Claim, OpenOperation, Problem, SetBack, View
from ..limits import DAY_MS, HOUR_MS

_WAITS_FOR_MS = {
    OperationState.REQUIRES_ACTION: DAY_MS + 2 * HOUR_MS,
    OperationState.PROCESSING: 15 * DAY_MS,
}
"""Customers are given a day, banks two weeks; both with some grace."""


def orphan_ledger_entry(claim: Claim, view: View) -> Problem | None:  # noqa: ARG001
    """The ledger says that money moved, and Stripe, asked for it by its id, does not; or there is
    no such operation of the bot."""
    if claim.collected and claim.owned:
        return None
    entry = claim.entry
    if claim.collected:
        return Problem(
            f"The ledger says that {entry.id} ({entry.action_type}) is {entry.bot_id}'s by "
            f"operation {entry.operation_id}, and that bot has no such operation. Find out who "
            f"wrote entry {entry.sequence}.",
            details={"sequence": entry.sequence, "action_type": entry.action_type},
        )
    return Problem(
        f"The ledger says that {entry.id} ({entry.action_type}) moved money, and Stripe does not "
        "show it so. Find out who wrote entry "
        f"{entry.sequence}, and whether the payment was made in another account.",
        details={"sequence": entry.sequence, "action_type": entry.action_type},
    )


def stale_operation(case: OpenOperation, view: View) -> Problem | None:
    """An operation is still not settled long after it should have been."""
    operation = case.operation
    patience = _WAITS_FOR_MS.get(operation.state, view.limits.stale_after_ms)
    if case.age_ms <= patience:
        return None
    return Problem(
        f"{operation.verb} of {operation.bot} is {operation.state} since "
        f"{case.age_ms // 60_000} minutes. Run `stripe-billing-router operations recover`, then "
        "look it up in Stripe by the operation id in its metadata.",
        details={"state": str(operation.state), "verb": operation.verb},
    )


def ledger_tampered(case: BrokenStream, view: View) -> Problem | None:  # noqa: ARG001
    """A hash chain of the ledger does not hold."""
    broken = case.broken
    return Problem(
        f"entry {broken.stream_sequence}: {broken.why}. Stop the bots and compare the ledger with "
        "its last back-up.",
        details={"stream_sequence": broken.stream_sequence, "sequence": broken.sequence},
    )


def budget_set_back(case: SetBack, view: View) -> Problem | None:  # noqa: ARG001
    """A budget's counter says less than what sealed operations hold of it."""
    counted = case.counted
    if counted.limit is not None:
        return Problem(
            f"Calls hold {counted.held} of {counted.counter} (minor units, or calls), whose limit "
            f"is {counted.limit}. If nobody has lowered it since, and no refund came back, the "
            "counter was set back for a while: freeze the bots that it limits, and find out who "
            "wrote to stripe_budgets.",
            details={"used": counted.used, "held": counted.held, "limit": counted.limit},
        )
    return Problem(
        f"{counted.counter} says that {counted.used} is used (minor units, or calls), and proven "
        f"operations hold {counted.held}. Freeze the bots that it limits, and find out who wrote "
        "to stripe_budgets or stripe_reservations. After a change of keys without the old one in "
        "the list, what the old one sealed is not proven.",
        details={"used": counted.used, "held": counted.held},
    )
