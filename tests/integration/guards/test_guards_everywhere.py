"""No verb leaves a guard out, no outage sets one off, and no other process is late to hear."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from stripe_billing_router.client import operators_desk
from stripe_billing_router.errors import (
    KeyProviderUnavailableError,
    PolicyViolationError,
    StripeUnavailableError,
)
from stripe_billing_router.keys import KeyRing
from stripe_billing_router.models import Budget, PolicyRule
from stripe_billing_router.sandbox import SANDBOX_SECRET_KEY, Fault
from stripe_billing_router.sandbox.server import real_time_world, serving
from tests.integration.guards.guards_bench import GuardsBench, rules
from tests.integration.kills.nursery import new_router
from tests.integration.verbs.verbs_bench import BOT
from tests.integration.verbs.verbs_cases import BY_PRICE, CHARGE, CHECKOUT, SUBSCRIPTION, Case

NOTHING_LEFT = rules(PolicyRule("empty", budgets=(Budget("hour", 0, "usd"),)))


@pytest.mark.parametrize("case", [CHARGE, BY_PRICE, SUBSCRIPTION, CHECKOUT], ids=str)
def test_no_verb_that_spends_leaves_the_budget_out(guards: GuardsBench, case: Case) -> None:
    """Seen elsewhere: the spend check is a tool that the agent is asked to call."""
    with pytest.raises(PolicyViolationError) as caught:
        case.call(guards.router(NOTHING_LEFT), "pi_none", {})
    assert caught.value.rule == "empty"
    assert not [line for line in guards.bench.sent() if line.startswith("POST")]
    assert guards.operations() == []


def test_a_network_error_while_checking_freezes_nothing(guards: GuardsBench) -> None:
    """Seen elsewhere: a network error during the account check pauses every bot."""
    router = guards.stage.router()
    guards.bench.world.faults.add(Fault("cut", match="GET /v1/account", times=None))
    with pytest.raises(StripeUnavailableError):
        router.charge(BOT, 1)
    guards.bench.world.faults.clear()
    assert guards.bench.router.store.freeze_history() == []
    assert "bot.frozen" not in guards.stage.told.names
    assert router.charge(BOT, 1).paid


def test_an_outage_of_vault_freezes_nothing(
    guards: GuardsBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    router = guards.stage.router()

    def away(_: KeyRing) -> None:
        raise KeyProviderUnavailableError("Vault does not answer. Call again.")

    with monkeypatch.context() as patch:
        patch.setattr(KeyRing, "keys", away)
        with pytest.raises(KeyProviderUnavailableError):
            router.charge(BOT, 1)
    assert guards.bench.router.store.freeze_history() == []
    assert router.charge(BOT, 1).paid


BOT_PROCESS = """
import json, sys
from stripe_billing_router.errors import BillingError
from tests.integration.kills.nursery import new_router

router = new_router(json.loads(sys.argv[1]))
for spelling in sys.stdin:
    try:
        router.charge(spelling.strip(), 1)
        print("paid", flush=True)
    except BillingError as error:
        print(type(error).__name__, flush=True)
"""

ROUTING = """
stripe:
  default:
    finance:
      x: {product_id: prod_1, price_id: price_once, customer_id: cus_0}
"""


def test_a_process_that_runs_hears_of_a_freeze_at_its_next_call(
    tmp_path: Path, sqlite_url: str
) -> None:
    """Seen elsewhere: `finance:x` is frozen, `stripe:finance:x` is not."""
    (tmp_path / "routing.yaml").write_text(ROUTING)
    world = real_time_world()
    world.add_price("price_once", product="prod_1")
    world.add_customer("cus_0", default_payment_method="pm_0")
    with serving(world) as server:
        settings = {
            "config": str(tmp_path / "routing.yaml"),
            "ledger_url": sqlite_url,
            "api_base": server.api_base,
            "secret_key": SANDBOX_SECRET_KEY,
        }
        bot = subprocess.Popen(
            [sys.executable, "-c", BOT_PROCESS, json.dumps(settings)],
            cwd=Path(__file__).parents[3],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        stdin, stdout = bot.stdin, bot.stdout
        assert stdin is not None
        assert stdout is not None

        def ask(spelling: str) -> str:
            stdin.write(f"{spelling}\n")
            stdin.flush()
            return stdout.readline().strip()

        with bot, new_router(settings) as people:
            assert ask("finance:x") == "paid"
            operators_desk(people).freeze("stripe:finance:x", "stop", by="ann")
            assert [ask("finance:x"), ask("stripe:finance:x")] == ["FrozenError"] * 2
            operators_desk(people).unfreeze("finance:x", by="ann")
            assert ask("stripe:finance:x") == "paid"
            stdin.close()
        assert len(world.effects()) == 2
