"""A bench with rules: what they have counted, and what people decide."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stripe_billing_router.client import BillingRouter, operators_desk
from stripe_billing_router.engine import OperatorsDesk
from stripe_billing_router.models import (
    Approval,
    Budget,
    CallLimit,
    Operation,
    Policies,
    PolicyRule,
)
from tests.integration.recovery.recovery_bench import RecoveryBench
from tests.integration.verbs.verbs_bench import Bench

LIMIT = 100_00
MONEY = "spend/money/day/usd/finance:bot"
CALLS = "spend/calls/day/-/finance:bot"


def budget(limit: int = LIMIT, **settings: Any) -> Policies:
    """A day's budget in dollars, and 50 calls a day."""
    return rules(
        PolicyRule(
            "spend",
            budgets=(Budget("day", limit, "usd", **settings),),
            call_limits=(CallLimit("day", 50),),
        )
    )


def rules(*given: PolicyRule) -> Policies:
    return Policies(given)


def approval_above(minor: int = 1000) -> Policies:
    return rules(PolicyRule("large", approval_above={"usd": minor}))


@dataclass
class GuardsBench:
    """Routers with rules over one ledger."""

    stage: RecoveryBench

    @property
    def bench(self) -> Bench:
        return self.stage.bench

    @property
    def desk(self) -> OperatorsDesk:
        """Where people decide, in a process of their own."""
        return operators_desk(self.stage.router())

    def router(self, policies: Policies, **changes: Any) -> BillingRouter:
        """A process that starts now, under these rules."""
        return self.stage.router(policies=policies, **changes)

    def used(self, counter: str = MONEY) -> int:
        """What is used of a counter, in all its windows."""
        return sum(u.used for u in self.bench.router.store.budgets([counter]))

    def approvals(self) -> list[Approval]:
        return self.bench.router.store.approvals()

    def operations(self) -> list[Operation]:
        return self.bench.router.store.operations()

    def moved(self) -> int:
        """How often money moved."""
        return len(self.bench.world.effects())


Call = Callable[[BillingRouter], Any]
