"""What happens outside of operations, as facts that are each entered once. Pure functions.

A Stripe object gathers facts in any order. Each adds one ledger entry with the change of what the
object comes to, so that the sum is the same whatever the order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal

from ..frozen import frozen
from ..models import Declared, InboxEvent, InboxState, Operation, OperationState, Outcome
from ..providers.stripe.verbs.base import currency_of, id_of, minor_of

ANOMALY = "anomaly"

_MOST_FAILURES = 20
"""Attempts at one invoice that are entered; of all its facts a column holds 255 characters."""


@frozen
class Fact:
    """Something that has become true of a Stripe object, and what it adds to the ledger.

    `amount_minor` is in minor units. `alert` is told to observers under `severity`, if there is
    one. `of_operation`: the entry belongs to the operation, rather than to its bot alone.
    """

    object_id: str
    name: str
    action_type: str
    amount_minor: int
    currency: str
    error: bool
    alert: str | None = None
    severity: Literal["info", "warning", "critical"] = "warning"
    of_operation: bool = False


Finding = Fact | InboxState
"""A fact to enter, or the state of an event that adds none."""

Find = Callable[[frozenset[str]], Finding]
"""Finds what an event adds to the facts that are known of its object."""

_DISPUTES = {
    "charge.dispute.created": "opened",
    "charge.dispute.funds_withdrawn": "withdrawn",
    "charge.dispute.funds_reinstated": "reinstated",
}
_DISPUTE_MOVES = {"withdrawn": 1, "reinstated": -1}
_DISPUTE_ENDS = {"won": "won", "lost": "lost", "warning_closed": "closed"}

_REFUNDS = {"succeeded": "succeeded", "failed": "failed", "canceled": "failed"}


def dispute(event: InboxEvent, seen: frozenset[str]) -> Finding:
    """The customer's bank takes a payment back; a dispute's entries sum to what it holds."""
    body = event.object
    name = _DISPUTES.get(event.type)
    if event.type == "charge.dispute.closed":
        name = _DISPUTE_ENDS.get(str(body.get("status")))
    if name is None or name in seen:
        return InboxState.PROCESSED
    amount = _DISPUTE_MOVES.get(name, 0) * minor_of(body, "amount")
    return Fact(
        id_of(body),
        name,
        ANOMALY,
        amount,
        currency_of(body),
        error=name not in ("won", "reinstated"),
        alert=f"dispute {id_of(body)}: {name}",
        severity="warning" if name in ("won", "reinstated", "closed") else "critical",
    )


def bypassing_refund(event: InboxEvent, seen: frozenset[str]) -> Finding:
    """A refund that no bot asked for, such as one from the dashboard: what was given back."""
    body = event.object
    name = _REFUNDS.get(str(body.get("status")), "pending")
    if name in seen:
        return InboxState.PROCESSED
    if "failed" in seen or (name == "pending" and seen):
        return InboxState.SUPERSEDED
    amount = minor_of(body, "amount")
    change = {"succeeded": amount, "failed": -amount if "succeeded" in seen else 0}.get(name, 0)
    return Fact(
        id_of(body),
        name,
        ANOMALY,
        change,
        currency_of(body),
        error=True,
        alert=f"refund {id_of(body)} was not made through the router: {name}",
        severity="critical",
    )


def after_the_end(
    event: InboxEvent,
    operation: Operation,
    verb: Declared,
    outcome: Outcome | None,
    seen: frozenset[str],
) -> Finding:
    """What an event says of an operation that had come to its end."""
    if outcome is None or outcome.state is operation.state:
        return InboxState.PROCESSED
    found = _contrary(event, operation, verb, outcome)
    if found is None:
        return InboxState.SUPERSEDED
    return InboxState.PROCESSED if found.name in seen else found


def _contrary(
    event: InboxEvent, operation: Operation, verb: Declared, outcome: Outcome
) -> Fact | None:
    """A refund may come back after it had succeeded. A payment never succeeds after its end: if
    Stripe says so, people have to look."""
    ended = operation.state is OperationState.SUCCEEDED
    gone = outcome.state in (OperationState.FAILED, OperationState.CANCELED)
    if verb.gives_back and ended and gone:
        return _came_back(event.object, operation, verb)
    if not verb.gives_back and not ended and outcome.paid:
        return Fact(
            id_of(event.object),
            "contradicted",
            ANOMALY,
            outcome.amount_minor or 0,
            currency_of(event.object),
            error=True,
            alert=f"it is {operation.state}, yet Stripe says that {event.object_id} is paid",
            severity="critical",
        )
    return None


def _came_back(refund: Mapping[str, Any], operation: Operation, verb: Declared) -> Fact:
    given = operation.outcome.amount_minor if operation.outcome is not None else None
    return Fact(
        id_of(refund),
        "reversed",
        verb.action_type,
        -(given or 0),
        currency_of(refund),
        error=True,
        alert=f"refund {id_of(refund)} came back: {refund.get('failure_reason')}",
        severity="critical",
        of_operation=True,
    )


def renewal(event: InboxEvent, verb: Declared, seen: frozenset[str]) -> Finding:
    """A subscription's later invoice is paid, or could not be."""
    body = event.object
    paid = event.type in ("invoice.paid", "invoice.payment_succeeded")
    if not paid and event.type != "invoice.payment_failed":
        return InboxState.PROCESSED
    attempts = 0 if paid else minor_of(body, "attempt_count")
    name = "paid" if paid else f"failed_{attempts}"
    if name in seen or attempts > _MOST_FAILURES:
        return InboxState.PROCESSED
    fact = Fact(
        id_of(body),
        name,
        verb.action_type,
        minor_of(body, "amount_paid") if paid else 0,
        currency_of(body),
        error=not paid,
        of_operation=True,
    )
    return fact if paid else replace(fact, alert=f"renewal {fact.object_id} was not paid")


def ended(event: InboxEvent, verb: Declared, seen: frozenset[str]) -> Finding:
    """A subscription is over."""
    if "ended" in seen:
        return InboxState.PROCESSED
    body = event.object
    currency = currency_of(body)
    return Fact(id_of(body), "ended", verb.action_type, 0, currency, False, of_operation=True)
