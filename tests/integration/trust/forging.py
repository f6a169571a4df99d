"""Somebody who can write to the database and to the journal, but holds no key."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import create_engine, text

from stripe_billing_router.client import BillingRouter
from stripe_billing_router.errors import OutcomeUnknownError
from stripe_billing_router.hashing import keyed_operation_id
from stripe_billing_router.models import BotId, RecoveryReport
from stripe_billing_router.ports import Event
from tests.integration.charge.charge_bench import BOT, CREATE, LEASE, Bench, Died, Wire

WARMING = "warming up"
STOLEN = 999_999


@dataclass
class Told:
    """An observer."""

    events: list[Event] = field(default_factory=list)

    def notify(self, event: Event) -> None:
        self.events.append(event)


@dataclass
class Forger:
    """Reads and writes rows as a bot's login of the database may."""

    bench: Bench
    told: Told = field(default_factory=Told)

    def rows(self) -> list[dict[str, Any]]:
        """The operations, but for the one that warmed up; oldest first."""
        query = "SELECT * FROM stripe_operations ORDER BY created_ms, operation_id"
        engine = create_engine(self.bench.url)
        with engine.connect() as connection:
            found = [dict(row) for row in connection.execute(text(query)).mappings()]
        engine.dispose()
        return [row for row in found if row["idempotency_key"] != WARMING]

    def change(self, operation_id: str, **columns: Any) -> None:
        sets = ", ".join(f"{name} = :{name}" for name in columns)
        query = f"UPDATE stripe_operations SET {sets} WHERE operation_id = :of"
        self.run(query, {**columns, "of": operation_id})

    def insert(self, row: dict[str, Any]) -> None:
        names = ", ".join(row)
        values = ", ".join(f":{name}" for name in row)
        self.run(f"INSERT INTO stripe_operations ({names}) VALUES ({values})", row)

    def run(self, query: str, values: dict[str, Any]) -> None:
        engine = create_engine(self.bench.url)
        with engine.begin() as connection:
            connection.execute(text(query), values)
        engine.dispose()

    def router(self, **changes: Any) -> BillingRouter:
        return self.bench.router(observers=(self.told,), **changes)

    def interrupted(self, key: str | None = "k", *, at: str = CREATE, **call: Any) -> str:
        """A bot that died as it was about to send `at`; its lease is over."""

        def die(method: str, url: str) -> None:
            if fnmatch(f"{method} {urlsplit(url).path}", at):
                raise Died

        router = self.bench.warm()
        wired = self.bench.router(http_client=Wire(self.bench.world, before=die))
        with pytest.raises(Died):
            wired.charge(BOT, idempotency_key=key, **(call or {"amount": 5}))
        router.close()
        self.bench.world.advance(LEASE)
        (row,) = self.rows()
        self.change(row["operation_id"], lease_until_ms=0)
        self.bench.world.requests.clear()
        return str(row["operation_id"])

    def keyed_id(self, key: str = "k") -> str:
        return keyed_operation_id(BotId.parse(BOT), "charge", key)

    def recover(self) -> RecoveryReport:
        return self.router().recover_operations()

    def changed(self, row: dict[str, Any], **params: Any) -> str:
        """The steps of a row with other parameters in the first."""
        steps = json.loads(row["steps"])
        steps[0]["params"].update(params)
        return json.dumps(steps)

    def nothing_is_sent(self) -> None:
        """Recovery and a repeated call look only, and people are told."""
        report = self.recover()
        (row,) = self.rows()
        assert (report.escalated, report.completed, report.recorded) == (
            (row["operation_id"],),
            (),
            (),
        )
        self.call_is_refused()
        assert [r for r in self.bench.world.requests if r.method != "GET"] == []
        assert self.bench.moved() == []
        assert self.rows()[0]["state"] == row["state"]
        self.people_are_told(row["operation_id"])

    def call_is_refused(self, key: str = "k", amount: Any = 5) -> None:
        with pytest.raises(OutcomeUnknownError) as caught:
            self.router().charge(BOT, amount, idempotency_key=key)
        assert caught.value.money == "unknown"

    def people_are_told(self, operation_id: str) -> None:
        assert ("operation.unsealed", operation_id) in {
            (event.name, event.operation_id) for event in self.told.events
        }
        found = self.router().discrepancies.list()
        assert ("unsealed", operation_id) in {(d.kind, d.operation_id) for d in found}
