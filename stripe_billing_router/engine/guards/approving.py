"""Approvals: a person is asked, and what they approve is done once, exactly as they saw it."""

from __future__ import annotations

import uuid
from dataclasses import replace

from ...errors import ApprovalRequiredError, LedgerUnavailableError, PolicyViolationError
from ...models import (
    Approval,
    ApprovalState,
    AskApproval,
    Operation,
    OperationState,
    UseApproval,
    major,
)
from ...ports import CommitAmbiguous, Event, Store
from ..failures import unknown
from ..observing import Observers

GOOD_FOR_MS = 24 * 3600 * 1000
"""How long a question, and its answer, are good for."""

_OPEN = (ApprovalState.PENDING, ApprovalState.APPROVED)
_USED = ApprovalState.USED
_URGENT = 4.0
"""How severe the alert is: as much as has to be, by default, to leave the house."""

_IN_DOUBT = frozenset(
    {OperationState.PENDING, OperationState.UNKNOWN, OperationState.REQUIRES_ACTION}
)


class Approvals:
    """Asks people, and finds what they said."""

    def __init__(self, store: Store, observers: Observers, good_for_ms: int = GOOD_FOR_MS) -> None:
        self._store = store
        self._observers = observers
        self._good_for_ms = good_for_ms

    def granted(self, operation: Operation, rule: str) -> UseApproval:
        """Return the write that uses the approval of this very effect and amount up.

        ApprovalRequiredError where there is none, after people were asked for it;
        PolicyViolationError where one of them has rejected it.
        """
        known = self._store.approvals(operation_id=operation.operation_id)
        for approval in known:
            if approval.state is ApprovalState.REJECTED:
                raise rejected(approval)
        # A price may have been changed since: then nobody has seen what it comes to now.
        fitting = [a for a in known if a.covers(operation)]
        for approval in fitting:
            if approval.state is ApprovalState.APPROVED:
                return UseApproval(
                    approval.approval_id, operation.operation_id, operation.effect_hash
                )
        for approval in fitting:
            if approval.state is ApprovalState.PENDING:
                raise required(approval)
        raise required(self._asked(operation, rule))

    def refuse_equal(self, operation: Operation) -> None:
        """Refuse a call without a key that equals one which people know of already.

        ApprovalRequiredError with the question that is open, so that nobody approves it twice;
        OutcomeUnknownError if what was approved is in doubt, for it may have been paid.
        """
        equal = self._store.approvals(
            bot_id=str(operation.bot), input_hash=operation.input_hash, states=(*_OPEN, _USED)
        )
        for approval in equal:
            if approval.state is _USED:
                self._refuse_twin(approval)
            elif approval.effect_hash == operation.effect_hash:
                raise required(approval)

    def _refuse_twin(self, approval: Approval) -> None:
        twin = self._store.operation(approval.operation_id)
        if twin is not None and twin.state in _IN_DOUBT:
            raise unknown(
                twin.operation_id,
                twin.idempotency_key,
                "An equal call that a person approved has not been settled.",
            )

    def used(self, operation: Operation) -> bool:
        """Say whether a person has approved what this operation does."""
        return any(
            approval.state is _USED and approval.is_about(operation)
            for approval in self._store.approvals(operation_id=operation.operation_id)
        )

    def _asked(self, operation: Operation, rule: str) -> Approval:
        """Write intent and question down in one commit, and tell."""
        approval = _approval(operation, rule)
        waiting = replace(operation, state=OperationState.AWAITING_APPROVAL)
        try:
            self._store.commit(AskApproval(waiting, approval, self._good_for_ms))
        except CommitAmbiguous:
            raise _perhaps_asked(rule) from None
        self._observers.tell(
            Event(
                "approval.asked",
                "warning",
                f"{operation.bot} asks for approval {approval.approval_id} of a {operation.verb}, "
                f"{_amount(approval)} ({rule}); decide with `stripe-billing-router approvals "
                f"approve {approval.approval_id} --by NAME`, or reject",
                operation.bot,
                operation.verb,
                operation.operation_id,
                weight=_URGENT,
            )
        )
        return approval


def _amount(approval: Approval) -> str:
    amount = major(approval.amount_minor, approval.currency)
    return "an amount not known before" if amount is None else f"{amount:f} {approval.currency}"


def required(approval: Approval) -> ApprovalRequiredError:
    """Return the error that tells a bot to wait for a person, and how to go on."""
    given = approval.state is ApprovalState.APPROVED
    what = "is given" if given else "has to be given by a person"
    when = "now" if given else "after that"
    return ApprovalRequiredError(
        f"The rule {approval.rule} asks for an approval, which {what}: {approval.approval_id} "
        f"(`stripe-billing-router approvals list`). Repeat the call {when} with idempotency_key "
        f"{approval.idempotency_key!r}; nothing was sent.",
        operation_id=approval.operation_id,
        approval_id=approval.approval_id,
        idempotency_key=approval.idempotency_key,
    )


def rejected(approval: Approval) -> PolicyViolationError:
    """Return the error of an operation that a person has rejected."""
    return PolicyViolationError(
        f"A check stopped it before it was executed: {refusal(approval, approval.decided_by)}",
        operation_id=approval.operation_id,
        rule=approval.rule,
    )


def refusal(approval: Approval, by: str | None) -> str:
    """Return what a bot is told of a rejection."""
    return (
        f"approval {approval.approval_id} was rejected by {by}. Do not ask for the same again; "
        "whoever still wants it calls under a new idempotency_key."
    )


def _perhaps_asked(rule: str) -> LedgerUnavailableError:
    return LedgerUnavailableError(
        f"The rule {rule} asks for an approval, and the database broke off while people were "
        "asked; nothing was sent. Repeat the call: nobody is asked twice for it."
    )


def _approval(operation: Operation, rule: str) -> Approval:
    if operation.idempotency_key is None:
        raise AssertionError("what waits for an approval has a key to resume it with")
    return Approval(
        approval_id="apr_" + uuid.uuid4().hex,
        operation_id=operation.operation_id,
        idempotency_key=operation.idempotency_key,
        bot_id=str(operation.bot),
        verb=operation.verb,
        effect_hash=operation.effect_hash,
        input_hash=operation.input_hash,
        rule=rule,
        amount_minor=operation.amount_minor,
        currency=operation.currency,
        customer_id=operation.customer_id,
        state=ApprovalState.PENDING,
    )
