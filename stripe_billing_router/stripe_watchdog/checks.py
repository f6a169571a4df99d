"""One function for each check, pure over what the sources give, registered in one tuple."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ..models import Operation
from ..store import Verification


@dataclass(frozen=True, slots=True)
class Sources:
    """What the checks look at. `now_ms` is the database's time in milliseconds."""

    now_ms: int
    ledger: Verification
    unsettled: Sequence[Operation]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that people have to look at. `severity` runs from 1.0 to 5.0."""

    check: str
    severity: float
    subject: str
    message: str


STALE_AFTER_MS = 3600 * 1000
"""When an operation ought to be settled: recovery has had several chances by then."""


def ledger_tampered(sources: Sources) -> Iterator[Finding]:
    """A hash chain of the ledger does not hold."""
    for broken in sources.ledger.broken:
        yield Finding(
            "ledger_tampered",
            5.0,
            broken.stream,
            f"entry {broken.stream_sequence}: {broken.why}. Stop the bots and compare the ledger "
            "with its last back-up.",
        )


def stale_operation(sources: Sources) -> Iterator[Finding]:
    """An operation is still pending or unknown long after it should have been settled."""
    for operation in sources.unsettled:
        age_ms = sources.now_ms - operation.started_ms
        if age_ms > STALE_AFTER_MS:
            yield Finding(
                "stale_operation",
                3.0,
                operation.operation_id,
                f"{operation.verb} of {operation.bot} is {operation.state} since "
                f"{age_ms // 60_000} minutes. Run `stripe-billing-router operations recover`, then "
                "look it up in Stripe by the operation id in its metadata.",
            )


CHECKS: tuple[Callable[[Sources], Iterator[Finding]], ...] = (ledger_tampered, stale_operation)
