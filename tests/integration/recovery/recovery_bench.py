"""A bench whose bots can die: nothing of theirs is written or sent once they have."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import pytest

from stripe_billing_router.client import BillingRouter
from stripe_billing_router.errors import FrozenError
from stripe_billing_router.hashing import request_key
from stripe_billing_router.models import BotId, RecoveryReport, Write
from stripe_billing_router.ports import Event, Intent, Reply, Request
from stripe_billing_router.providers.stripe.gateway import StripeGateway
from stripe_billing_router.sandbox import SANDBOX_API_BASE, SANDBOX_SECRET_KEY, SandboxHTTPClient
from stripe_billing_router.store import SqlStore
from tests.integration.verbs.verbs_bench import Bench
from tests.integration.verbs.verbs_cases import Case

LEASE = 130.0
HOUR = 3600.0
DAY = 24 * HOUR


class Died(BaseException):
    """The process ends here."""


@dataclass
class Freezer:
    """A guard: people may stop every bot at any moment."""

    frozen: bool = False

    def check_bot(self, bot: BotId) -> None:
        if self.frozen:
            raise FrozenError(f"{bot} is frozen. Ask whoever froze it.")

    def check_intent(self, intent: Intent) -> tuple[Write, ...]:
        return ()


@dataclass
class Told:
    """An observer."""

    events: list[Event] = field(default_factory=list)

    def notify(self, event: Event) -> None:
        self.events.append(event)

    @property
    def names(self) -> list[str]:
        return [event.name for event in self.events]


@dataclass
class RecoveryBench:
    """A bench for verbs, and what dies on it."""

    bench: Bench
    patch: pytest.MonkeyPatch
    told: Told = field(default_factory=Told)
    freezer: Freezer = field(default_factory=Freezer)

    def router(self, **changes: Any) -> BillingRouter:
        """A process that starts now."""
        settings = {"observers": (self.told,), "guards": (self.freezer,), **changes}
        return self.bench.restarted(**settings)

    def recover(self) -> RecoveryReport:
        return self.router().recover_operations()

    def crash(
        self,
        case: Case,
        paid: str,
        key: str | None,
        *,
        at: str = "",
        effect: bool = True,
    ) -> None:
        """Let the bot that calls die at a request, before or after its effect; its lease ends."""
        dead: list[bool] = []
        commit = SqlStore.commit

        def die() -> None:
            dead.append(True)
            raise Died

        def no_commit(store: SqlStore, *writes: Write) -> None:
            if dead:
                raise Died
            commit(store, *writes)

        self.patch.setattr(SqlStore, "commit", no_commit)
        self.bench.fault("call", at or case.sends, effect=effect, call=die)
        with pytest.raises(Died):
            case.call(self.router(), paid, {"idempotency_key": key})
        self.patch.setattr(SqlStore, "commit", commit)
        self.bench.world.advance(LEASE)

    def ask(self, case: Case, paid: str, key: str | None) -> Any:
        return case.call(self.router(), paid, {"idempotency_key": key})

    def rows(self) -> list[dict[str, Any]]:
        """The rows of stripe_operations, but for the payment that was made before."""
        query = "SELECT * FROM stripe_operations ORDER BY created_ms, rowid"
        with closing(sqlite3.connect(self.bench.folder / "ledger.db")) as connection:
            connection.row_factory = sqlite3.Row
            rows = [dict(row) for row in connection.execute(query)]
        return [row for row in rows if '"amount":"50"' not in row["arguments"]]

    def states(self) -> list[str]:
        return [row["state"] for row in self.rows()]

    def booked(self) -> list[tuple[str | None, int | None]]:
        """State and amount of each ledger entry, but for the payment that was made before."""
        before = {row["operation_id"] for row in self.rows()}
        entries = self.bench.entries()
        return [(e.status, e.amount_minor) for e in entries if e.operation_id in before]

    def send_original(self, generation: int = 0) -> Reply:
        """Send the first request of the last operation, as a sender does that wakes up late."""
        row = self.rows()[-1]
        step = json.loads(row["steps"])[0]
        gateway = StripeGateway(
            api_base=SANDBOX_API_BASE,
            http_timeout=1,
            http_client=SandboxHTTPClient(self.bench.world),
        )
        key = request_key(row["operation_id"], step["name"], generation)
        return gateway.send(
            Request(
                step["method"],
                step["path"],
                step["params"],
                SANDBOX_SECRET_KEY,
                row["api_version"],
                step["expects"],
                key,
            )
        )

    def while_recovering(self, match: str, call: Callable[[], object], **settings: Any) -> None:
        """Let something happen in the middle of the next request that matches."""
        self.bench.fault("call", match, call=call, **settings)
