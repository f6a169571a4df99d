"""explain: what applies to a call, what is left, and whether it would pass."""

from __future__ import annotations

from decimal import Decimal

import pytest

from stripe_billing_router.errors import FrozenError, PolicyViolationError
from stripe_billing_router.models import Budget, CallLimit, PolicyRule
from tests.integration.guards.guards_bench import GuardsBench, rules
from tests.integration.verbs.verbs_bench import BOT

RULES = rules(
    PolicyRule(
        "spend",
        verbs=frozenset({"charge", "refund"}),
        largest={"usd": 60_00},
        budgets=(Budget("day", 100_00, "usd"),),
        call_limits=(CallLimit("hour", 3),),
        approval_above={"usd": 50_00},
    )
)


def test_limits_and_what_is_left_of_them(guards: GuardsBench) -> None:
    router = guards.router(RULES)
    router.charge(BOT, "30.50")
    sent = len(guards.bench.world.requests)
    told = router.explain("stripe:" + BOT)
    assert told.passes
    left = {limit.what: (limit.limit, limit.left, limit.window) for limit in told.limits}
    assert left["budget"] == (Decimal("100.00"), Decimal("69.50"), "day")
    assert left["calls"] == (3, 2, "hour")
    assert left["largest"] == (Decimal("60.00"), None, None)
    assert left["verbs"] == (("charge", "refund"), None, None)
    assert told.to_dict()["limits"][0]["rule"] == "spend"
    assert len(guards.bench.world.requests) == sent


@pytest.mark.parametrize(
    ("amount", "verb", "says", "approval"),
    [
        ("50", "charge", None, None),
        ("50.01", "charge", None, "spend"),
        ("60.01", "charge", "at most 60", None),
        ("1", "create_subscription", "does not allow create_subscription", None),
    ],
)
def test_what_would_be_refused_is_what_is_refused(
    guards: GuardsBench, amount: str, verb: str, says: str | None, approval: str | None
) -> None:
    told = guards.router(RULES).explain(BOT, verb, amount=amount)
    assert (told.passes, told.approval) == (says is None and approval is None, approval)
    assert says is None or says in told.refusals[0]


def test_a_spent_budget_and_a_freeze_are_told_as_the_call_tells_them(guards: GuardsBench) -> None:
    router = guards.router(RULES)
    for _ in range(2):
        router.charge(BOT, 50)
    with pytest.raises(PolicyViolationError) as refused:
        router.charge(BOT, 1)
    assert router.explain(BOT, amount=1).refusals == (str(refused.value),)
    guards.desk.freeze("finance:*", "looked odd", by="ann")
    with pytest.raises(FrozenError) as frozen:
        router.charge(BOT, 1)
    assert router.explain(BOT, amount=1).refusals == (str(frozen.value), str(refused.value))


def test_without_its_database_it_says_so_and_still_tells_the_limits(guards: GuardsBench) -> None:
    router = guards.router(RULES, ledger_url="sqlite:////dev/null/ledger.db")
    told = router.explain(BOT)
    assert not told.passes
    assert "STRIPE_LEDGER_URL" in told.refusals[0]
    assert {limit.left for limit in told.limits} == {None}
