"""What a stored operation may be used for. Rows are input: only their seals say who wrote them."""

from __future__ import annotations

from typing import Final

from ...errors import OutcomeUnknownError
from ...models import ApprovalState, Operation, OperationState
from ...ports import Event, Store
from ..failures import unknown
from ..observing import Observers

UNSEALED: Final = "operation.unsealed"
_WHY = (
    "what is stored of it bears no seal of a key in force: somebody without a key wrote or changed "
    "it, or it is of an earlier version or of a key that was replaced"
)


class Trust:
    """Looks at seals; what lacks one is told, and nothing is sent for it."""

    def __init__(self, store: Store, observers: Observers) -> None:
        self._store = store
        self._observers = observers

    def may_be_sent(self, operation: Operation) -> bool:
        """Say whether the plan of an operation, and what its steps gave, may be gone on with."""
        return self._store.proof(operation).may_be_sent

    def may_be_told(self, operation: Operation) -> bool:
        """Say whether what an operation came to may be believed. People who reject what a bot
        asked for hold no key: then their decision says what the outcome does."""
        proof = self._store.proof(operation)
        return proof.may_be_told or (proof.awaited and self._is_rejected(operation))

    def require_to_send(self, operation: Operation) -> None:
        """Tell of, and refuse, what is not proven to be a key-holder's plan."""
        if not self.may_be_sent(operation):
            raise self.refused(operation)

    def require_unbegun(self, operation: Operation) -> None:
        """Tell of, and refuse, what is not proven to have had no effect.

        A seal does not say that a row is the latest of its operation: the ledger is asked too.
        """
        proof = self._store.proof(operation)
        awaits = operation.state is OperationState.AWAITING_APPROVAL
        if not (proof.awaited if awaits else proof.may_be_told):
            raise self.refused(operation)
        if more := self._store.told_of(operation) - {OperationState.ABANDONED}:
            why = f"it is {operation.state}, and the ledger says {', '.join(sorted(more))}"
            raise self.refused(operation, why)

    def foreign(self, operation: Operation, step: object) -> OutcomeUnknownError:
        """Tell people of an operation of which a step is foreign to its verb, as `refused`."""
        return self.refused(operation, f"a step of its plan is not its own: {step}")

    def is_anothers(self, operation: Operation, stripe_id: str | None) -> bool:
        """Say whether an object at the provider is proven to be another operation's, whatever its
        metadata says."""
        made = None if stripe_id is None else self._store.maker_of(stripe_id)
        return made is not None and made.operation_id != operation.operation_id

    def refused(self, operation: Operation, why: str = _WHY) -> OutcomeUnknownError:
        """Tell people of an operation that bears no seal, or is otherwise not what its row says,
        and return the error for its caller."""
        self.tell(operation, why=why)
        return unknown(
            operation.operation_id,
            operation.idempotency_key,
            "Its record is not proven to be a key-holder's, so that nothing is sent for it.",
        )

    def tell(self, operation: Operation, found: str = "", why: str = _WHY) -> None:
        """Have people look at an operation; it becomes a discrepancy."""
        self._observers.tell(
            Event(
                UNSEALED,
                "critical",
                f"{why}; nothing is sent for it. {found}Compare it with Stripe, and settle it "
                "there",
                operation.bot,
                operation.verb,
                operation.operation_id,
            )
        )

    def _is_rejected(self, operation: Operation) -> bool:
        outcome = operation.outcome
        if operation.state is not OperationState.CANCELED or outcome is None or outcome.stripe_id:
            return False
        asked = self._store.approvals(operation_id=operation.operation_id)
        return any(approval.state is ApprovalState.REJECTED for approval in asked)
