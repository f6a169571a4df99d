"""The audit log: `finance_logs/stripe_watchdog_audit.jsonl`, pure JSON lines, never rewritten."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from ..json_lines import JsonLines
from .moments import iso
from .rotation import finish_rotations, rotate

AUDIT_LOG: Final = "finance_logs/stripe_watchdog_audit.jsonl"
"""Below the project's home."""


class AuditLog:
    """One line for each event of a run: `timestamp`, `event`, `run` and what the event is about."""

    def __init__(self, path: Path, run: str, now_ms: Callable[[], int]) -> None:
        self._lines = JsonLines(path)
        self._run = run
        self._now_ms = now_ms

    def mend(self) -> None:
        """Finish what a crash left half done: a line, or the putting away of a full log."""
        finish_rotations(self._lines.path)
        if dropped := self._lines.repair():
            self.write("repaired", dropped_bytes=dropped)

    def told_since(self, begun_ms: int) -> frozenset[tuple[str, str]]:
        """Return `(event, fingerprint)` of the lines since then."""
        begun = iso(begun_ms)
        return frozenset(
            (str(record["event"]), str(record["fingerprint"]))
            for _, record in self._lines.records()
            if record is not None and "fingerprint" in record and record["timestamp"] >= begun
        )

    def rotate(self, max_bytes: int) -> None:
        """Put a log of more than `max_bytes` away, compressed."""
        rotate(self._lines.path, max_bytes, iso(self._now_ms()))

    def write(self, event: str, **facts: Any) -> None:
        """Write one line; it is on the disk when this returns."""
        moment = iso(self._now_ms())
        self._lines.append({"timestamp": moment, "event": event, "run": self._run, **facts})
