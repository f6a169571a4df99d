"""What can be asked of the store; `Store.commit(*writes)` does all of it, or nothing."""

from __future__ import annotations

from dataclasses import dataclass

from .entries import EntryDraft
from .operations import Operation, OperationState, Outcome, StepOutput


@dataclass(frozen=True, slots=True)
class OpenOperation:
    """Insert the intent with its lease. Fails if the id exists, or a keyless twin is in doubt."""

    operation: Operation
    lease_token: str
    lease_ms: int
    lease_owner: str


@dataclass(frozen=True, slots=True)
class ReopenOperation:
    """Start an abandoned operation afresh with a new plan; fails if it is not abandoned (any more).

    Its request keys stay the same unless they were used up.
    """

    operation: Operation
    lease_token: str
    lease_ms: int
    lease_owner: str


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class RecordOutputs:
    """Store what the steps so far gave, before the next one begins."""

    operation_id: str
    lease_token: str
    outputs: tuple[StepOutput, ...]


@dataclass(frozen=True, slots=True)
class CloseOperation:
    """Move an operation to `state` and release its lease.

    Fails unless the row holds `lease_token` (None: no lease) and its state may become `state`.
    `outputs` of None leaves what is stored. `used_up` says that the request keys of this attempt
    can serve no other: should the operation be opened again, it gets new ones. For
    `blocks_twins_for_ms` milliseconds an equal keyless call is refused: its caller has not heard
    of this outcome, and may be asking again.
    """

    operation_id: str
    lease_token: str | None
    state: OperationState
    outcome: Outcome | None
    outputs: tuple[StepOutput, ...] | None = None
    used_up: bool = False
    blocks_twins_for_ms: int = 0


@dataclass(frozen=True, slots=True)
class AppendEntry:
    """Append one ledger entry to its bot's chain."""

    entry: EntryDraft


Write = OpenOperation | ReopenOperation | TakeLease | RecordOutputs | CloseOperation | AppendEntry
