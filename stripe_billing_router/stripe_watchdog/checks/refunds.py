"""Refunds: what Stripe gave back, against what the ledger says."""

from __future__ import annotations

from ..cases import Problem, View
from ..movements import Movement


def unauthorized_refund(movement: Movement, view: View) -> Problem | None:  # noqa: ARG001
    """Stripe has a refund that no operation of ours made."""
    shown = movement.shown
    if shown.kind != "refund" or not movement.moved or movement.ours:
        return None
    return Problem(
        f"{shown.id} gave back money of {shown.payment} outside the router. Find out who holds a "
        "key of the account or a login, and rotate what they used.",
        details={"payment": shown.payment, "named_operation": shown.operation_id},
    )


def missing_refund(movement: Movement, view: View) -> Problem | None:  # noqa: ARG001
    """Stripe has a refund of an operation of ours, and the ledger does not say so."""
    shown = movement.shown
    if shown.kind != "refund" or shown.status != "succeeded" or not movement.ours:
        return None
    if movement.under_way or movement.recorded:
        return None
    state = movement.operation.state if movement.operation else "unknown"
    return Problem(
        f"{shown.id} gave money back for operation {movement.operation_id} (now {state}), and the "
        "ledger has no entry that says so. Compare the ledger with its last back-up, and repeat "
        "the call with its idempotency key, which records it.",
        details={"payment": shown.payment, "state": state},
    )
