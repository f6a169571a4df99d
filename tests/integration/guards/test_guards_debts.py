"""What a customer owes from before comes on top of a price; the rules see it before it is paid."""

from __future__ import annotations

import pytest

from stripe_billing_router.errors import ApprovalRequiredError, PolicyViolationError
from stripe_billing_router.models import Policies, PolicyRule
from tests.integration.guards.guards_bench import GuardsBench, approval_above, budget, rules
from tests.integration.verbs.verbs_bench import BOT, CUSTOMER, Bench
from tests.integration.verbs.verbs_cases import BY_PRICE

PRICE = 1999
LARGEST = rules(PolicyRule("large", largest={"usd": 2000}))


def owe(bench: Bench, minor: int) -> None:
    bench.dashboard.v1.customers.update(CUSTOMER, {"balance": minor})


@pytest.mark.parametrize("policies", [budget(2000), LARGEST], ids=["budget", "largest"])
def test_a_debt_is_not_collected_beyond_the_limits(guards: GuardsBench, policies: Policies) -> None:
    owe(guards.bench, 50_000)
    for _ in range(2):
        with pytest.raises(PolicyViolationError) as caught:
            guards.router(policies).charge(BOT, idempotency_key="k")
        assert caught.value.money == "not_moved"
    assert guards.bench.collected() == []
    assert guards.bench.collectable() == []
    assert guards.used() == 0


def test_a_debt_within_the_limits_counts_with_what_is_collected(guards: GuardsBench) -> None:
    owe(guards.bench, 500)
    assert guards.router(budget(2499)).charge(BOT).amount_minor == 2499
    assert guards.used() == 2499
    with pytest.raises(PolicyViolationError):
        guards.router(budget(2499)).charge(BOT)


def test_what_stripe_carries_over_never_passes_a_budget(guards: GuardsBench) -> None:
    """Each second charge collects the first one's amount as well."""
    guards.bench.world.add_price("price_tiny", unit_amount=40)
    router = guards.router(budget(300))
    for _ in range(7):
        router.charge(BOT, price_id="price_tiny")
    with pytest.raises(PolicyViolationError):
        router.charge(BOT, price_id="price_tiny")
    assert sum(guards.bench.collected()) == guards.used() == 240


def test_an_approval_does_not_reach_to_a_debt(guards: GuardsBench) -> None:
    router = guards.router(approval_above(1000))
    with pytest.raises(ApprovalRequiredError) as asked:
        router.charge(BOT)
    guards.desk.approve(asked.value.approval_id, by="ann")
    owe(guards.bench, 500)
    with pytest.raises(PolicyViolationError, match=r"24\.99 usd"):
        router.charge(BOT, idempotency_key=asked.value.idempotency_key)
    assert guards.bench.collected() == []


def test_a_debt_is_not_collected_by_recovery_either(guards: GuardsBench) -> None:
    stage, policies = guards.stage, budget(2000)
    start = stage.router
    stage.router = lambda **changes: start(policies=policies, **changes)  # type: ignore[method-assign]
    owe(guards.bench, 50_000)
    stage.crash(BY_PRICE, "", "k", at="POST /v1/invoices/*/finalize")
    assert guards.used() == PRICE
    stage.recover()
    assert stage.states() == ["abandoned"]
    assert guards.bench.collected() == []
    assert guards.bench.collectable() == []
    assert guards.used() == 0


def test_without_rules_a_debt_is_collected_as_stripe_does(guards: GuardsBench) -> None:
    owe(guards.bench, 50_000)
    assert guards.bench.router.charge(BOT).amount_minor == 51_999
