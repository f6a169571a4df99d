"""Watches budgets, approvals and freezes while a schedule is played, by what the rows say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from stripe_billing_router.models import (
    CloseOperation,
    FreezeScope,
    OpenOperation,
    OperationState,
    ReopenOperation,
    UseApproval,
    Write,
    window_start_ms,
)
from stripe_billing_router.store.journal.codec import subject_of
from tests.simulation.bed import Bed
from tests.simulation.house import Bill, House, Part, matches

_HELD_IN = ("pending", "unknown", "requires_action", "processing")
_ENDED = ("succeeded", "failed", "canceled", "abandoned")


@dataclass
class Seen:
    """What was committed; a host that loses its last commit forgets it.

    `attempts` and `uses` count by operation and by approval, `calls` by counter and window.
    `given_up` are operations that were abandoned, and not begun anew, `bills` what refunds give
    back, by operation.
    """

    attempts: Counter[str] = field(default_factory=Counter)
    uses: Counter[str] = field(default_factory=Counter)
    calls: Counter[tuple[str, int]] = field(default_factory=Counter)
    given_up: set[str] = field(default_factory=set)
    bills: dict[str, Bill] = field(default_factory=dict)


class GuardWatch:
    """Sees every commit. `frozen_ms` is when, in the world's time, each freeze was committed."""

    def __init__(
        self, bed: Bed, house: House, now_ms: Callable[[], int], violate: Callable[[str], None]
    ) -> None:
        self.seen = Seen()
        self.frozen_ms: dict[str, int] = {}
        self._bed = bed
        self._house = house
        self._now_ms = now_ms
        self._violate = violate

    def snapshot(self) -> Seen:
        return deepcopy(self.seen)

    def committed(self, writes: Sequence[Write]) -> None:
        for write in writes:
            match write:
                case OpenOperation() | ReopenOperation():
                    self._begun(write.operation.operation_id)
                case UseApproval():
                    self._used(write)
                case CloseOperation(state=OperationState.ABANDONED):
                    self.seen.given_up.add(write.operation_id)
                case FreezeScope():
                    self.frozen_ms[write.freeze_id] = self._now_ms()
        self._check(writes)

    def drained(self, writes: Sequence[Write]) -> None:
        for write in writes:
            if isinstance(write, CloseOperation) and write.state is OperationState.ABANDONED:
                self.seen.given_up.add(write.operation_id)
        self._check(writes)

    def freezes(self) -> dict[str, str]:
        """Return the scopes of the freezes in force, by id."""
        query = "SELECT freeze_id, scope FROM stripe_freezes WHERE unfrozen_ms IS NULL"
        return dict(tuple(row) for row in self._bed.rows.execute(query))

    def still_frozen(self, before: frozenset[str], bot: str, missed_ms: int) -> bool:
        """Return whether one of these freezes stops the bot; one that a process could not read,
        as it has missed the database since, need not have been seen for a minute."""
        now = self.freezes()
        return any(
            matches(now[freeze_id], bot) and missed_ms < self.frozen_ms[freeze_id]
            for freeze_id in before
            if freeze_id in now
        )

    def _begun(self, operation_id: str) -> None:
        row = self._row(operation_id)
        self.seen.attempts[operation_id] += 1
        self.seen.given_up.discard(operation_id)
        for part in self._house.parts(row["bot_id"], row["verb"]):
            if part.kind == "calls":
                start = window_start_ms(part.limit.per, row["started_ms"])
                self.seen.calls[part.counter, start] += 1

    def _used(self, write: UseApproval) -> None:
        self.seen.uses[write.approval_id] += 1
        if self.seen.uses[write.approval_id] > 1:
            self._violate(f"{write.approval_id} was used more than once")

    def _check(self, writes: Sequence[Write]) -> None:
        operation_id = subject_of(writes) if self._house.has_budgets else None
        row = None if operation_id is None else self._find(operation_id)
        if row is not None:
            for violation in self.holdings(row):
                self._violate(violation)

    def holdings(self, row: Any) -> Iterator[str]:
        """Yield what an operation holds and must not, or does not hold and must."""
        name, state = row["operation_id"], row["state"]
        query = "SELECT * FROM stripe_reservations WHERE operation_id = ?"
        held = {part["counter"]: part for part in self._bed.rows.execute(query, (name,))}
        if state in _HELD_IN:
            for part in self._house.parts(row["bot_id"], row["verb"]):
                found = held.get(part.counter)
                has = None if found is None else (found["state"], found["kind"], *_restores(found))
                if has not in self._may_hold(name, part):
                    yield f"{name} is {state}, but its part of {part.counter} is {has}"
        for part in held.values():
            settled = part["kind"] == "calls" or state == "succeeded"
            if state in _ENDED and part["state"] != ("settled" if settled else "released"):
                yield f"{name} is {state}, but its part of {part['counter']} is {part['state']}"

    def _may_hold(self, operation_id: str, part: Part) -> Sequence[tuple[Any, ...] | None]:
        """A refund holds what its bot's own payment took, in the window in which that was; nothing
        of the payment of somebody else. What the ledger did not show in time it may leave out."""
        if part.kind != "restore":
            return [("reserved", part.kind, None)]
        bill = self.seen.bills[operation_id]
        if bill.paid_by is None:
            return [None]
        start = window_start_ms(part.limit.per, self._row(bill.paid_by)["started_ms"])
        own = "reserved", "restore", bill.paid_by, start
        return [own] if bill.shown else [own, None]

    def shown(self, operation_id: str | None) -> bool:
        """Return whether the ledger shows what an operation collected."""
        query = "SELECT 1 FROM stripe_ledger WHERE operation_id = ? AND status = 'succeeded'"
        return self._bed.rows.execute(query, (operation_id,)).fetchone() is not None

    def _find(self, operation_id: str) -> Any:
        query = "SELECT * FROM stripe_operations WHERE operation_id = ?"
        return self._bed.rows.execute(query, (operation_id,)).fetchone()

    def _row(self, operation_id: str) -> Any:
        found = self._find(operation_id)
        assert found is not None, operation_id
        return found


def _restores(part: Any) -> tuple[Any, ...]:
    """Return whose payment a part gives back, and the window that it gives it back to."""
    if part["kind"] != "restore":
        return (None,)
    return part["restores"], part["window_start_ms"]
