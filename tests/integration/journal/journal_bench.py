"""A database that goes away and comes back, and a look at the journal's file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stripe_billing_router.ports import Event
from stripe_billing_router.store import SqlStore
from stripe_billing_router.store.database import Away, Database
from tests.integration.charge.charge_bench import Bench

AWAY = "The ledger's database cannot be used (it is away), so nothing is sent. Start it."


class Outage:
    """No store of this process reaches its database between `begin` and `end`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._on = False
        reached = SqlStore._database

        def database(store: SqlStore) -> Database:
            if self._on:
                raise Away(AWAY)
            return reached(store)

        monkeypatch.setattr(SqlStore, "_database", database)

    def begin(self) -> None:
        self._on = True

    def end(self) -> None:
        self._on = False


class Heard:
    """An observer that remembers the names of what it was told."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def notify(self, event: Event) -> None:
        self.events.append(event)

    def names(self, start: str = "ledger.") -> list[str]:
        return [event.name for event in self.events if event.name.startswith(start)]


def journal_of(bench: Bench) -> Path:
    return bench.folder / "finance_logs" / "stripe_ledger.jsonl"


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def kinds_of(path: Path) -> list[str]:
    """What each line holds: its kind, or the names of its writes."""
    return [
        "+".join(write["write"] for write in line["body"]["writes"])
        if line["kind"] == "writes"
        else line["kind"]
        for line in lines_of(path)
    ]
