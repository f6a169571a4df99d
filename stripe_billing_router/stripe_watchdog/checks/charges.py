"""Charges: what Stripe collected, against what the ledger says."""

from __future__ import annotations

from ..cases import Problem, View
from ..movements import Movement, ids_of


def _judged(movement: Movement) -> bool:
    """A charge that went through, and that our side is done with."""
    return movement.shown.kind == "charge" and movement.moved and not movement.under_way


def unauthorized_charge(movement: Movement, view: View) -> Problem | None:  # noqa: ARG001
    """Stripe has a charge that no operation of ours made."""
    shown = movement.shown
    if shown.kind != "charge" or not movement.moved or movement.ours:
        return None
    named = shown.operation_id
    why = f"names operation {named}, which is not ours" if named else "names no operation"
    return Problem(
        f"{shown.id} collected money outside the router: it {why}. Find out who holds a key of "
        "the account, rotate it, and refund the charge unless it is legitimate.",
        details={"payment": shown.payment, "named_operation": named},
    )


def missing_charge(movement: Movement, view: View) -> Problem | None:  # noqa: ARG001
    """Stripe has a successful charge of an operation of ours, and the ledger does not say so."""
    shown = movement.shown
    if not _judged(movement) or not movement.ours or shown.renewal or shown.status != "succeeded":
        return None
    if movement.recorded or _recorded_otherwise(movement):
        return None
    state = movement.operation.state if movement.operation else "unknown"
    return Problem(
        f"{shown.id} collected money for operation {movement.operation_id} (now {state}), and the "
        "ledger has no entry that says so. Compare the ledger with its last back-up, and repeat "
        "the call with its idempotency key, which records it.",
        details={"payment": shown.payment, "state": state, "entries": ids_of(movement.entries)},
    )


def duplicate_charge(movement: Movement, view: View) -> Problem | None:  # noqa: ARG001
    """Stripe has a second charge for one operation: the ledger knows the first."""
    shown = movement.shown
    if not _judged(movement) or shown.renewal or movement.recorded:
        return None
    known = _recorded_otherwise(movement)
    if not known:
        return None
    return Problem(
        f"{shown.id} is a second charge for operation {movement.operation_id}: the ledger has "
        f"{', '.join(known)} for it. Refund the charge, and find out who made it.",
        details={"payment": shown.payment, "recorded": known},
    )


def unapproved_workflow(movement: Movement, view: View) -> Problem | None:
    """A bot moved money, or tried to, that is not approved, or whose name in Stripe is not the
    ledger's."""
    shown, bot, what = movement.shown, movement.bot_id, _done(movement)
    if what is None or not movement.ours or bot is None:
        return None
    if shown.bot_id not in (None, bot):
        why = f"its metadata says {shown.bot_id}"
    elif view.limits.approved_workflows:
        why = "" if bot in view.limits.approved_workflows else "it is not in approved_workflows"
    else:
        why = "" if bot in view.routed else "it has no route"
    if not why:
        return None
    return Problem(
        f"{shown.id} was {what} by {bot}, and {why}. Stop the bot, or approve it.",
        details={"payment": shown.payment, "named_bot": shown.bot_id},
    )


def _done(movement: Movement) -> str | None:
    """Return what was done; None for a movement that came to nothing, such as a voided refund."""
    if movement.shown.kind == "refund":
        return "given back" if movement.moved else None
    if movement.shown.status == "failed":
        return "attempted, and failed,"
    return "collected" if movement.moved else None


def _recorded_otherwise(movement: Movement) -> list[str]:
    """The ids under which the ledger has the operation's money, other than this charge's."""
    return ids_of([entry for entry in movement.others if entry.succeeded])
