"""What can be asked of the store; `Store.commit(*writes)` does all of it, or nothing."""

from __future__ import annotations

from dataclasses import replace

from ..frozen import frozen
from .operations import EntryDraft, Operation, OperationState, Outcome, StepOutput
from .policies import Approval, ApprovalState, Reservation


@frozen
class OpenOperation:
    """Insert the intent with its lease. Fails if the id exists, or a keyless twin is in doubt."""

    operation: Operation
    lease_token: str
    lease_ms: int
    lease_owner: str


@frozen
class ReopenOperation:
    """Start an abandoned operation, or one that awaited approval, with a new plan.

    Fails if it is neither (any more).
    Its request keys stay the same unless they were used up.
    """

    operation: Operation
    lease_token: str
    lease_ms: int
    lease_owner: str


@frozen
class TakeLease:
    """Take over an operation whose lease has run out, or renew one's own.

    Fails unless the row still holds `previous_token`, is in one of `states`, was started less
    than `max_age_ms` ago, and its lease has expired (`by_force` skips that last condition: the
    holder's own renewal, or a dead holder). The row becomes `pending`.
    """

    operation_id: str
    previous_token: str | None
    states: frozenset[OperationState]
    lease_token: str
    lease_ms: int
    lease_owner: str
    max_age_ms: int | None
    by_force: bool = False


@frozen
class RecordOutputs:
    """Store what the steps so far gave, before the next one begins."""

    operation_id: str
    lease_token: str
    outputs: tuple[StepOutput, ...]
    attempt: str = ""


@frozen
class ClaimLook:
    """Say that an operation that waits is being looked at now.

    Fails if it has changed, or somebody else has looked, since it was read at `seen_ms`.
    """

    operation_id: str
    seen_ms: int


@frozen
class CloseOperation:
    """Move an operation to `state` and release its lease.

    Fails unless the row holds `lease_token` (None: no lease) and its state may become `state`.
    `outputs` of None leaves what is stored. `used_up` says that the request keys of this attempt
    can serve no other: should the operation be opened again, it gets new ones. For
    `blocks_twins_for_ms` milliseconds an equal keyless call is refused: its caller has not heard
    of this outcome, and may be asking again. An `unknown` of what is recorded to have happened says
    the same for a day, and nothing else. `generation` and `attempt` are those of what ended.
    `intent` is what is written again, with what it `holds` of counters, if the database has lost
    it: it has happened, so that neither an equal call in doubt nor a limit refuses it.
    """

    operation_id: str
    lease_token: str | None
    state: OperationState
    outcome: Outcome | None
    outputs: tuple[StepOutput, ...] | None = None
    used_up: bool = False
    blocks_twins_for_ms: int = 0
    generation: int = 0
    attempt: str = ""
    intent: Operation | None = None
    holds: tuple[Reservation, ...] = ()

    def over(self, stored: Operation) -> CloseOperation:
        """Return it for an operation that is in nobody's hands, whichever attempt it is at."""
        now, attempt = stored.generation, stored.attempt
        return replace(self, lease_token=None, generation=now, attempt=attempt)


@frozen
class AppendEntry:
    """Append one ledger entry to its bot's chain."""

    entry: EntryDraft


@frozen
class Reserve:
    """Take an operation's part of a budget or a call limit; BudgetExceeded if it is used up.

    A part that the operation holds already is not taken twice. `CloseOperation` settles it in
    the same transaction: what was spent stays, what was not is released, and while the outcome
    is in doubt or waits the part is kept. An operation that `begins` holds nothing yet:
    LedgerTamperedError if a row says that it does.
    """

    operation_id: str
    reservation: Reservation
    begins: bool = False


@frozen
class Spend:
    """Count what has been spent without a call, such as a renewal, also beyond the limit.

    Once for each `spent_by`, the Stripe id of what was paid.
    """

    spent_by: str
    reservation: Reservation


@frozen
class AskApproval:
    """Insert the intent as `awaiting_approval` without a lease, and the question to people.

    `operation` may be there already, awaiting, with an approval that expired or does not fit.
    """

    operation: Operation
    approval: Approval
    expires_in_ms: int


@frozen
class UseApproval:
    """Use an approval up; ApprovalNotGiven unless it is approved, in time, and for this effect."""

    approval_id: str
    operation_id: str
    effect_hash: str


@frozen
class DecideApproval:
    """A person's `approved` or `rejected`; StaleLease unless it can still be decided.

    What was approved can be rejected until it is used. `outcome` is what a rejected operation
    has come to.
    """

    approval_id: str
    state: ApprovalState
    by: str
    note: str | None = None
    outcome: Outcome | None = None


@frozen
class FreezeScope:
    """Stop every bot that `scope` (in canonical form) matches."""

    freeze_id: str
    scope: str
    reason: str
    by: str


@frozen
class UnfreezeScope:
    """End every freeze of this very scope; StaleLease if there is none."""

    scope: str
    by: str


Write = object
"""What a store can be asked to do: one of the above, or of what domains register."""
