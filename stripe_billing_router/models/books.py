"""What those who check the books read of the ledger and of operations: only what they compare."""

from __future__ import annotations

from dataclasses import field

from ..frozen import frozen
from .operations import OperationState
from .verbs import Moves

UNDER_WAY = frozenset(
    {
        OperationState.AWAITING_APPROVAL,
        OperationState.PENDING,
        OperationState.UNKNOWN,
        OperationState.REQUIRES_ACTION,
        OperationState.PROCESSING,
    }
)
"""States that something may still follow: what Stripe shows by now is not in the ledger yet."""


@frozen
class BookedEntry:
    """A ledger entry about money. `amount_minor` is in minor units; `status` is an operation's."""

    sequence: int
    id: str
    action_type: str
    amount_minor: int | None
    currency: str | None
    timestamp_ms: int
    bot_id: str | None
    destination_account: str | None
    operation_id: str | None
    status: str | None
    moves: Moves = field(default="in", kw_only=True)

    @property
    def succeeded(self) -> bool:
        return self.status == OperationState.SUCCEEDED


@frozen
class BookedOperation:
    """An operation, as far as its money is concerned."""

    operation_id: str
    bot_id: str
    verb: str
    state: str
    account_id: str
    moves: Moves = field(default="in", kw_only=True)

    @property
    def under_way(self) -> bool:
        return self.state in UNDER_WAY
