"""What a run has come to: counted exactly, shown up to a bound."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from ..frozen import frozen
from ..models import RecoveryReport
from .findings import Finding
from .inspection import DaySum
from .register import Told

MOST_SHOWN: Final = 10_000
"""Findings that are kept for people, the most severe ones; the audit log has them all."""


@frozen
class Shown:
    """A finding, and whether people did not know of it before this run."""

    finding: Finding
    is_new: bool


@frozen
class Result:
    """A whole run. Times are milliseconds since the epoch.

    `findings` has the most severe first, at most 10,000; `counts` counts all of them by check.
    `resolved` is what this run would have found again and did not; `open_before` counts what
    earlier runs found outside this one's window. `marker_ms` is where the next run begins.
    `only` names the checks of a run that did not do all of them.
    """

    since_ms: int
    until_ms: int
    findings: Sequence[Shown]
    counts: Mapping[str, int]
    new: int
    most_severe: float
    resolved: Sequence[Told]
    open_before: int
    recovered: RecoveryReport | None
    days: Sequence[DaySum]
    marker_ms: int | None
    only: Sequence[str]
    dry_run: bool

    @property
    def total(self) -> int:
        return sum(self.counts.values())


class Tally:
    """Counts findings and keeps the most severe ones."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.new = 0
        self.most_severe = 0.0
        self._kept: list[tuple[float, int, Shown]] = []

    def add(self, finding: Finding, *, is_new: bool) -> None:
        self.counts[finding.check] += 1
        self.new += is_new
        self.most_severe = max(self.most_severe, finding.severity)
        # Of two that are equally severe, the one that came first is kept.
        entry = (finding.severity, -self.counts.total(), Shown(finding, is_new))
        if len(self._kept) < MOST_SHOWN:
            heapq.heappush(self._kept, entry)
        else:
            heapq.heappushpop(self._kept, entry)

    def shown(self) -> list[Shown]:
        """Return what was kept, the most severe first, then by check and subject."""
        found = [shown for _, _, shown in self._kept]
        return sorted(
            found, key=lambda s: (-s.finding.severity, s.finding.check, s.finding.subject)
        )
