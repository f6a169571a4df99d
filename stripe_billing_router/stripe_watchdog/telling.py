"""Tells each finding once, in an order that survives a kill at any point.

For each finding: the sanity layer, the audit log, the alert, the journal. What the journal holds is
told. After a run that was cut off, the first three may have been done for a finding that is not in
the journal: the first two are looked up, the alert is given again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Protocol

from ..frozen import frozen
from .audit import AuditLog
from .describing import described
from .findings import Finding
from .outlets import Outlets, alert_of
from .register import Memory, Register, Told

_STANDING = frozenset({"stale_operation", "dispute_opened"})
"""Checks that look at what is open now, whenever it began."""

_SKEW_MS = 60_000
"""How far the clock of the sanity layer may be behind ours."""


@frozen
class Span:
    """What a run looked at: times in milliseconds, and the ids of its checks."""

    since_ms: int
    until_ms: int
    checks: frozenset[str]

    def covers(self, told: Told) -> bool:
        """Say whether the run would have found it, were it still there."""
        if told.check not in self.checks or told.seen_ms > self.until_ms:
            return False
        if told.at_ms is None or told.check in _STANDING:
            return True
        return self.since_ms <= told.at_ms < self.until_ms


class Teller(Protocol):
    """Takes findings as they come."""

    def take(self, finding: Finding, until_ms: int) -> bool:
        """Return whether people did not know of it."""
        ...

    def unseen(self) -> int:
        """Return how many open findings of earlier runs were not taken."""
        ...


class Looking:
    """Tells nobody: a dry run."""

    def __init__(self, memory: Memory) -> None:
        self._open = memory.open
        self._seen: set[str] = set()

    def take(self, finding: Finding, until_ms: int) -> bool:  # noqa: ARG002 - as Teller has it
        self._seen.add(finding.fingerprint)
        return finding.fingerprint not in self._open

    def unseen(self) -> int:
        return len(self._open.keys() - self._seen)


class Telling:
    """Tells everybody. `suppressed_ms` is how long a finding that stays is not told again."""

    def __init__(
        self,
        memory: Memory,
        register: Register,
        audit: AuditLog,
        outlets: Outlets,
        *,
        suppressed_ms: int,
        now_ms: Callable[[], int],
    ) -> None:
        self._open = dict(memory.open)
        self._cut_off = memory.cut_off
        self._register = register
        self._audit = audit
        self._outlets = outlets
        self._suppressed_ms = suppressed_ms
        self._now_ms = now_ms
        self._seen: set[str] = set()
        begun_ms = None if memory.cut_off is None else memory.cut_off.begun_ms
        self._in_audit = frozenset() if begun_ms is None else audit.told_since(begun_ms)

    def take(self, finding: Finding, until_ms: int) -> bool:
        fingerprint = finding.fingerprint
        known = self._open.get(fingerprint)
        self._seen.add(fingerprint)
        if known is not None and self._now_ms() - known.told_ms < self._suppressed_ms:
            self._open[fingerprint] = replace(known, seen_ms=max(known.seen_ms, until_ms))
            return False
        self._record(finding)
        self._write("finding", fingerprint, finding=described(finding))
        self._outlets.alert(alert_of(finding))
        told = Told(finding.check, finding.subject, finding.at_ms, self._now_ms(), until_ms)
        self._register.tell(fingerprint, told)
        self._open[fingerprint] = told
        return True

    def resolve(self, span: Span) -> Iterator[Told]:
        """Yield, once told, what earlier runs found and this one would have, and did not."""
        for fingerprint, told in list(self._open.items()):
            if fingerprint in self._seen or not span.covers(told):
                continue
            self._write("resolved", fingerprint, check=told.check, subject=told.subject)
            self._register.forget(fingerprint)
            del self._open[fingerprint]
            yield told

    def unseen(self) -> int:
        return len(self.still_open().keys() - self._seen)

    def still_open(self) -> dict[str, Told]:
        """Return what stays known; what no run sees any more is kept while it is suppressed."""
        oldest_ms = self._now_ms() - self._suppressed_ms
        return {
            fingerprint: told
            for fingerprint, told in self._open.items()
            if fingerprint in self._seen or told.told_ms > oldest_ms
        }

    def _record(self, finding: Finding) -> None:
        cut_off, anomalies = self._cut_off, self._outlets.anomalies
        if cut_off is None or not anomalies.holds(finding, cut_off.begun_ms - _SKEW_MS):
            anomalies.record(finding)

    def _write(self, event: str, fingerprint: str, **facts: object) -> None:
        if (event, fingerprint) not in self._in_audit:
            self._audit.write(event, fingerprint=fingerprint, **facts)
