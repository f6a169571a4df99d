"""Failed payments: whose they were, and whether they were written down."""

from __future__ import annotations

from ..cases import Problem, View
from ..movements import Movement


def _failed(movement: Movement) -> bool:
    return movement.shown.kind != "refund" and movement.shown.status == "failed"


def unauthorized_failure(movement: Movement, view: View) -> Problem | None:  # noqa: ARG001
    """A payment failed in Stripe that no operation of ours attempted."""
    shown = movement.shown
    if not _failed(movement) or movement.ours:
        return None
    return Problem(
        f"A payment ({shown.payment}) was attempted outside the router, and failed. Somebody may "
        "be trying cards with a key of the account: find out who, and rotate the key.",
        details={"seen_in": shown.id, "named_operation": shown.operation_id},
    )


def missing_failure_log(movement: Movement, view: View) -> Problem | None:  # noqa: ARG001
    """A payment of ours failed in Stripe, and the ledger has no entry of its operation at all."""
    shown = movement.shown
    if not _failed(movement) or not movement.ours or shown.renewal or movement.under_way:
        return None
    if movement.entries or movement.others:
        return None
    return Problem(
        f"A payment ({shown.payment}) of operation {movement.operation_id} failed, and the ledger "
        "does not mention it. Compare the ledger with its last back-up.",
        details={"seen_in": shown.id},
    )
