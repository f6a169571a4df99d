"""The charges' bench, and a bot whose route at run time leads to a foreign account."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from stripe_billing_router.client import BillingRouter
from tests.integration.charge.charge_bench import Bench
from tests.integration.charge.conftest import bench, commits, empty_ledger

__all__ = ["bench", "commits", "empty_ledger", "project"]

FOREIGN = "acct_somebody0else"


@dataclass
class Project:
    """A project whose bot's route was changed at run time, and what follows."""

    bench: Bench
    heard: list[tuple[str, ...]] = field(default_factory=list)

    def router(self, **changes: Any) -> BillingRouter:
        """A router in which the bot's route names a foreign account."""
        made = self.bench.router(**changes)
        route = {"product_id": "prod_1", "price_id": "price_1", "customer_id": "cus_one"}
        made.register_route("finance", "bot", {**route, "account_id": FOREIGN})
        return made

    def hook(self, bot_id: str, reason: str) -> None:
        """A rollback hook of the host's."""
        self.heard.append((bot_id, reason))

    @property
    def alerts_file(self) -> Any:
        return self.bench.folder / "finance_logs" / "alerts.jsonl"

    def alerts(self) -> list[dict[str, Any]]:
        """What stands in alerts.jsonl."""
        if not self.alerts_file.exists():
            return []
        return [json.loads(line) for line in self.alerts_file.read_text().splitlines()]

    def nothing_followed(self, router: BillingRouter) -> bool:
        """No record, no alert, no rollback, no anomaly."""
        return (
            router.discrepancies.list() == ()
            and router.sanity_layer.list_anomalies() == ()
            and not any(entry.error for entry in router.ledger.entries())
            and self.alerts() == []
            and self.heard == []
        )


@pytest.fixture
def project(bench: Bench) -> Project:
    return Project(bench)
