"""What an event about an operation's own object means for the operation. Pure functions.

Events come late, twice and in any order. An operation is only ever moved on as `NEXT_STATES` says;
the outcome itself is read by the verb, as it reads Stripe's answers.
"""

from __future__ import annotations

from dataclasses import replace

from ..frozen import frozen
from ..models import (
    NEXT_STATES,
    InboxEvent,
    InboxState,
    Operation,
    OperationState,
    Outcome,
    Step,
    StepOutput,
    UnreadableAnswer,
    Verb,
)

IN_DOUBT = frozenset({OperationState.PENDING, OperationState.UNKNOWN, OperationState.ABANDONED})
WAITS = frozenset({OperationState.REQUIRES_ACTION, OperationState.PROCESSING})

_SHOWS_TOO_LITTLE = frozenset({"invoice.payment_failed"})
"""Whether a bank refused, or the customer may still pay, stands in what is not part of these."""


@frozen
class Proven:
    """The operation has come to this."""

    outcome: Outcome


@frozen
class Look:
    """The event does not show enough, so that Stripe has to be asked."""


@frozen
class Wait:
    """It cannot be applied yet."""

    why: str


@frozen
class Nothing:
    """There is nothing to apply: it is known (`processed`), or newer is (`superseded`)."""

    state: InboxState


Judgement = Proven | Look | Wait | Nothing


def judge(event: InboxEvent, operation: Operation, verb: Verb, api_version: str) -> Judgement:
    """Return what an event means for an operation that is open and that nobody holds.

    A draft is where every invoice begins: only as an answer does it say that nobody can pay it.
    """
    if event.object.get("object") == "invoice" and event.object.get("status") == "draft":
        return weigh(operation, None)
    outcome = told(event, operation, verb)
    if event.type in _SHOWS_TOO_LITTLE and operation.state in WAITS:
        outcome = None
    foreign = event.api_version not in (None, api_version)
    return Look() if outcome is None or foreign else weigh(operation, outcome)


def told(event: InboxEvent, operation: Operation, verb: Verb) -> Outcome | None:
    """Return the outcome that the event's object shows, as the verb reads it; None if it does not
    show one."""
    seen = StepOutput(operation.steps[0].name, 200, event.object)
    try:
        judged = verb.revisit(replace(operation, outputs=(seen,)))
    except (UnreadableAnswer, AttributeError, KeyError, TypeError, ValueError):
        return None
    return None if isinstance(judged, Step) else judged


def weigh(operation: Operation, outcome: Outcome | None) -> Judgement:
    """Return whether an outcome moves an operation on. None: Stripe shows none yet."""
    if operation.state in IN_DOUBT:
        return _weigh_in_doubt(operation, outcome)
    if outcome is None or outcome.state is operation.state:
        return Nothing(InboxState.PROCESSED)
    if outcome.state in NEXT_STATES[operation.state]:
        return Proven(outcome)
    return Nothing(InboxState.SUPERSEDED)


def _weigh_in_doubt(operation: Operation, outcome: Outcome | None) -> Judgement:
    """Only what has surely happened ends a doubt from outside; the rest is recovery's business,
    which takes down what is half-made. An invoice that is paid with nothing on it collected none.
    """
    happened = outcome is not None and outcome.state is OperationState.SUCCEEDED
    if outcome is not None and happened and (outcome.paid or not operation.amount_minor):
        return Proven(outcome)
    failed = outcome is not None and outcome.state is OperationState.FAILED
    if operation.state is OperationState.ABANDONED and not failed:
        return Nothing(InboxState.PROCESSED)
    return Wait(f"operation {operation.operation_id} is {operation.state}; recovery settles it")
