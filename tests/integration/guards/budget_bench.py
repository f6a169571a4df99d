"""Runs of many bots on one shared budget, with deaths; and what has to hold after each of them."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from stripe_billing_router.client import BillingRouter
from stripe_billing_router.engine import SystemClock
from stripe_billing_router.errors import PolicyViolationError
from stripe_billing_router.models import OperationState
from stripe_billing_router.sandbox import SANDBOX_SECRET_KEY, Fault
from stripe_billing_router.sandbox.server import SandboxServer, real_time_world, serving
from stripe_billing_router.store.database import Database
from stripe_billing_router.store.migrate import upgrade
from stripe_billing_router.store.schema import budgets, operations
from tests.integration.guards import spenders
from tests.integration.guards.spenders import CUSTOMERS, NAMES
from tests.integration.kills.kill_bench import Bot, until

S = OperationState
IN_DOUBT = (S.PENDING, S.UNKNOWN, S.REQUIRES_ACTION)
_FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "cut", "effect": True},
    {"kind": "cut"},
    {"kind": "server_error"},
    {"kind": "rate_limited"},
    {"kind": "refused"},
)


@dataclass
class Run:
    """One run: its rule's name, also its bots' category; its limit in cents; what it came to."""

    rule: str
    limit: int
    config: Path
    bots: list[Bot] = field(default_factory=list)
    killed: int = 0
    refused: int = 0

    @property
    def counter(self) -> str:
        return f"{self.rule}/money/month/usd/*"


class BudgetBench:
    """A server of the sandbox, a ledger, and a process from which spenders are forked."""

    def __init__(self, folder: Path, url: str, server: SandboxServer) -> None:
        self.world = server.world
        self._folder = folder
        self._settings = {
            "ledger_url": url,
            "api_base": server.api_base,
            "secret_key": SANDBOX_SECRET_KEY,
            "folder": str(folder),
            "margin": 0.5,
        }
        settings = folder / "settings.json"
        settings.write_text(json.dumps(self._settings))
        self.database = Database(url, SystemClock())
        upgrade(self.database)
        self._nursery = subprocess.Popen(
            [sys.executable, str(Path(spenders.__file__)), str(settings)],
            cwd=Path(__file__).parents[3],
            env={"PYTHONPATH": str(Path(__file__).parents[3])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, number: int, processes: int, threads: int, calls: int) -> Run:
        """Let all spend at once, kill some, recover, and check."""
        chance = random.Random(number)
        run = self._new(number, chance.randrange(1500, 6000))
        self._trouble(chance)
        for _ in range(processes):
            run.bots.append(self._started(run, threads, calls, chance.randrange(10**6)))
        doomed = chance.sample(run.bots, chance.randrange(0, 1 + (processes + 1) // 2))
        for bot in doomed:
            until(lambda bot=bot: not bot.alive() or len(bot.lines()) > chance.randrange(threads))  # type: ignore[misc]
            run.killed += bot.alive()
            bot.kill()
        until(lambda: not self._spending(run))
        run.refused = sum(
            line.get("error") == "PolicyViolationError" for bot in run.bots for line in bot.lines()
        )
        self.check(run)
        return run

    def _spending(self, run: Run) -> bool:
        assert self.used(run) <= run.limit
        return any(bot.alive() for bot in run.bots)

    def check(self, run: Run) -> None:
        """Nothing beyond the limit was ever taken; nothing that was not spent stays taken."""
        self.world.faults.clear()
        assert self.used(run) <= run.limit
        assert self.collected(run) <= run.limit
        with self._router(run) as router:
            self._settle(router)
            assert self.used(run) == self.collected(run) <= run.limit
            left = run.limit - self.used(run)
            if left >= 50:
                assert router.charge(
                    f"{run.rule}:one", f"{left / 100:.2f}", customer_id="cus_0"
                ).paid
                assert self.collected(run) == self.used(run) == run.limit
            with pytest.raises(PolicyViolationError):
                router.charge(f"{run.rule}:two", "0.50", customer_id="cus_0")

    def used(self, run: Run) -> int:
        with self.database.read() as connection:
            query = select(budgets.c.used).where(budgets.c.counter == run.counter)
            return int(connection.execute(query).scalar() or 0)

    def collected(self, run: Run) -> int:
        """Cents that were really collected for the run."""
        return sum(
            int(effect["amount"])
            for effect in self.world.effects()
            if effect["metadata"]["bot_id"].startswith(f"{run.rule}:")
        )

    def close(self) -> None:
        stdin = self._nursery.stdin
        assert stdin is not None
        stdin.close()
        self._nursery.wait(60)
        assert self._nursery.stdout is not None
        self._nursery.stdout.close()
        self.database.close()

    def _settle(self, router: BillingRouter) -> None:
        def settled() -> bool:
            router.recover_operations()
            return self._in_doubt() == 0

        until(settled)

    def _in_doubt(self) -> int:
        with self.database.read() as connection:
            query = select(func.count()).where(operations.c.state.in_(IN_DOUBT))
            return int(connection.execute(query).scalar_one())

    def _new(self, number: int, limit: int) -> Run:
        run = Run(f"run{number}", limit, self._folder / f"run{number}.yaml")
        run.config.write_text(_routing(run))
        return run

    def _started(self, run: Run, threads: int, calls: int, seed: int) -> Bot:
        stdin, stdout = self._nursery.stdin, self._nursery.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(f"{run.config} {threads} {calls} {seed}\n")
        stdin.flush()
        pid = int(stdout.readline())
        return Bot(pid, self._folder / f"{pid}.jsonl")

    def _trouble(self, chance: random.Random) -> None:
        for _ in range(chance.randrange(4)):
            chosen = dict(chance.choice(_FAULTS))
            self.world.faults.add(Fault(**chosen, match="POST *", skip=chance.randrange(40)))

    def _router(self, run: Run) -> BillingRouter:
        return spenders.new_router(self._settings, str(run.config))


def _routing(run: Run) -> str:
    route = "{product_id: prod_1, price_id: price_once, customer_id: cus_0}"
    names = "\n".join(f"      {name}: {route}" for name in NAMES)
    return f"""
recovery: {{http_timeout: 5, retry_for: 1, in_progress_wait: 1}}
policies:
  rules:
    {run.rule}:
      budgets: [{{per: month, amount: "{run.limit / 100:.2f}", currency: usd, shared: true}}]
stripe:
  default:
    {run.rule}:
{names}
"""


@contextmanager
def budget_bench(folder: Path, url: str) -> Iterator[BudgetBench]:
    """Serve a world with two customers who pay and one whose card is declined."""
    world = real_time_world()
    world.add_price("price_once", product="prod_1", unit_amount=1000)
    for customer in CUSTOMERS:
        world.add_customer(customer, default_payment_method=f"pm_of_{customer}")
    world.set_outcome("pm_of_cus_2", "declined:lost_card")
    with serving(world) as server:
        bench = BudgetBench(folder, url, server)
        try:
            yield bench
        finally:
            bench.close()
