"""Journals to be damaged, and a database that only remembers what it was given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stripe_billing_router.models import AppendEntry, EntryDraft, Write
from stripe_billing_router.ports import Event
from stripe_billing_router.store.journal import Drain, JournalFile, Line
from stripe_billing_router.store.journal.codec import CORE
from stripe_billing_router.store.journal.drain import LineOutcome

LEDGER = "ledger-1"


@dataclass
class Memory:
    """Stands in for the database: the ids of the entries that it was given, in order."""

    ledger: str = LEDGER
    last: int = 0
    drained: list[str] = field(default_factory=list)

    def now_ms(self) -> int:
        return 0

    def identity(self) -> str:
        return self.ledger

    def drained_to(self, journal_id: str) -> int:
        return self.last

    def drain(
        self, journal_id: str, line: Line, writes: Sequence[Write], *, skip: bool = False
    ) -> LineOutcome:
        self.last = line.sequence
        self.drained += [write.entry.id for write in writes if isinstance(write, AppendEntry)]
        return "skipped" if skip else "applied"


class Journal:
    """One process's hold on a journal."""

    def __init__(self, path: Path, memory: Memory | None = None) -> None:
        self.told: list[Event] = []
        self.memory = memory or Memory()
        self.file = JournalFile(path, self.told.append)
        self.drain = Drain(self.file, self.memory, lambda: 0, lambda: 0.0, self.told.append)

    def write(self, *names: str) -> None:
        for name in names:
            with self.file.locked():
                self.file.begin(self.memory.ledger, 0)
                self.file.append("writes", 0, {"writes": CORE.encoded([entry(name)])})

    def names(self) -> list[str]:
        """Drain, and return everything that the database has got so far."""
        self.drain.run()
        return self.memory.drained

    def heard(self, name: str) -> list[str]:
        return [event.message for event in self.told if event.name == name]


def entry(name: str) -> AppendEntry:
    return AppendEntry(
        EntryDraft(name, "charge", 1, "usd", 1, None, None, None, {}, False, None, None)
    )
