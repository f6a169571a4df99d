"""What a run is going to ask of Stripe, told from the ledger alone."""

from __future__ import annotations

from collections.abc import Sequence

from ..engine import PER_ENDPOINT, READ_PAGE
from ..frozen import frozen
from .limits import DAY_MS, Limits
from .sources import SOURCES

_READS_PER_PAYMENT = 500
_LEAST_READS = 10_000
"""What Stripe grants in 30 days."""


@frozen
class PlannedSource:
    """Requests that reading one source takes; `objects` are expected, not counted."""

    source: str
    objects: int
    requests: int


@frozen
class ReadPlan:
    """What a run asks of Stripe. `allowance` is what Stripe grants in 30 days (reads), and
    `seconds` is how long it takes at the least."""

    sources: Sequence[PlannedSource]
    allowance: int

    @property
    def requests(self) -> int:
        """How many requests the reads will take."""
        return sum(source.requests for source in self.sources)

    @property
    def seconds(self) -> float:
        """How long they will take at Stripe's rate for one endpoint."""
        return self.requests / PER_ENDPOINT


def planned(
    limits: Limits, until_ms: int, payments: float, payments_of_month: float, routed: int
) -> ReadPlan:
    """Return the plan for a window with about so many payments, and so many routed objects."""
    window_ms = max(until_ms - limits.since_ms, 1)
    found = []
    for source in SOURCES:
        share = 1 + min(source.before_ms, 30 * DAY_MS) / max(window_ms, DAY_MS)
        objects = round(payments * source.per_payment * share)
        found.append(PlannedSource(source.name, objects, objects // READ_PAGE + 1))
    found.append(PlannedSource("webhook_endpoints", 0, 1))
    found.append(PlannedSource("routes", routed, routed))
    found.append(PlannedSource("account", 1, 2))
    allowance = max(_LEAST_READS, round(_READS_PER_PAYMENT * payments_of_month))
    return ReadPlan(tuple(found), allowance)
