"""The limits that people are shown."""

from __future__ import annotations

from decimal import Decimal

from stripe_billing_router.models import BotId, Budget, CallLimit, PolicyRule
from stripe_billing_router.policy import Limit, limits
from stripe_billing_router.providers.stripe.verbs import VERBS
from tests.unit.policy.policy_samples import BOT, policies

WHO = BotId.parse(BOT)
RULES = policies(
    PolicyRule(
        "first",
        verbs=frozenset({"refund", "charge"}),
        largest={"usd": 50_000, "jpy": 500},
        budgets=(
            Budget("day", 100_000, "usd", shared=True),
            Budget("hour", 7, "kwd", verbs=frozenset({"refund"})),
        ),
        call_limits=(CallLimit("hour", 100),),
        own_payments_only=True,
        approval_above={"usd": 20_000},
    ),
    PolicyRule("elsewhere", region="eu", largest={"usd": 1}),
    PolicyRule("second", currencies=frozenset({"usd", "eur"})),
)


def test_every_limit_of_a_charge_is_told_in_major_units() -> None:
    assert limits(RULES, WHO, VERBS["charge"], "default") == (
        Limit("first", "verbs", ("charge", "refund")),
        Limit("first", "currencies", ("jpy", "usd")),
        Limit("first", "largest", Decimal("500.00"), "usd"),
        Limit("first", "largest", Decimal(500), "jpy"),
        Limit("first", "budget", Decimal("1000.00"), "usd", "day", counter="first/money/day/usd/*"),
        Limit("first", "approval", Decimal("200.00"), "usd"),
        Limit("first", "calls", 100, window="hour", counter=f"first/calls/hour/-/{BOT}"),
        Limit("second", "currencies", ("eur", "usd")),
    )


def test_a_refund_has_its_own_limits() -> None:
    told = limits(RULES, WHO, VERBS["refund"], "default")
    assert Limit("first", "own_payments") in told
    assert [limit.limit for limit in told if limit.what == "budget"] == [Decimal("0.007")]


def test_a_verb_without_an_amount_has_no_limits_of_amounts() -> None:
    told = limits(RULES, WHO, VERBS["create_customer"], "default")
    assert {limit.what for limit in told} == {"verbs", "calls"}


def test_a_region_has_its_own_rules() -> None:
    told = limits(RULES, WHO, VERBS["charge"], "eu")
    assert Limit("elsewhere", "largest", Decimal("0.01"), "usd") in told
