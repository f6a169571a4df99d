"""What Stripe shows that it is about to collect, before it is asked to."""

from __future__ import annotations

from dataclasses import replace

from ....models import Operation, OperationState, Outcome, Step
from . import checkout, invoices, subscription
from .base import Lookups, Plan, minor_of, output_of


def due(operation: Operation, found: Step | Outcome) -> int | None:
    """Return minor units that a step is going to collect, or that an outcome lets a customer pay;
    None where only the answer tells.

    A customer's old debt, or a price that was changed, makes an invoice larger than its item.
    """
    if isinstance(found, Outcome):
        waits = found.state is OperationState.REQUIRES_ACTION
        is_ours = operation.steps[0].expects == "subscription"
        return subscription.due(found.body) if waits and is_ours else None
    if found.name in subscription.COLLECTING:
        return subscription.due(operation.outputs[0].body)
    if found.name != invoices.PAY:
        return None
    finalized = output_of(operation, invoices.FINALIZE)
    return None if finalized is None else minor_of(finalized.body, "amount_due")


def carefully(plan: Plan) -> Plan:
    """Return the plan of a call whose money is limited: what its first step would collect at once
    is seen before it is paid."""
    first = plan.steps[0]
    return (
        replace(plan, steps=subscription.in_two(first)) if first.expects == "subscription" else plan
    )


def due_beside(plan: Plan, lookups: Lookups) -> int | None:
    """Return minor units that a page collects together with what its customer owes; None for a plan
    that collects no debts, or of which that is seen later.

    Stripe puts debts and pending items onto a subscription's first invoice once the customer is
    done, when nobody is asked any more.
    """
    if plan.amount_minor is None or not checkout.subscribes(plan.steps[0]):
        return None
    return plan.amount_minor + lookups.owed(str(plan.customer_id), str(plan.currency))
