"""What a rule refuses, reserves and asks for."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from stripe_billing_router.models import Budget, CallLimit, Policies, Reservation
from stripe_billing_router.policy import Demands, demands, over_limit
from tests.unit.policy.policy_samples import BOT, facts, policies, refused, rule

USD_DAY = Budget("day", 100_000, "usd")


def test_without_a_rule_that_matches_nothing_is_demanded() -> None:
    other = rule(business_category="reporting", verbs=frozenset())
    assert demands(Policies(), facts()) == demands(policies(other), facts()) == Demands()


@pytest.mark.parametrize(
    ("patterns", "matched"),
    [
        ({}, True),
        ({"domain": "stripe"}, True),
        ({"domain": "acme"}, False),
        ({"region": "default", "business_category": "fin*", "bot_name": "*_collector"}, True),
        ({"region": "eu"}, False),
        ({"business_category": "financ?"}, True),
        ({"business_category": "finance?"}, False),
        ({"business_category": "Finance"}, False),
        ({"bot_name": "fee*or"}, True),
        ({"bot_name": "fee"}, False),
        ({"bot_name": "[a-z]*"}, False),
        ({"bot_name": "fee.collector"}, False),
    ],
)
def test_patterns_know_two_wildcards_only(patterns: dict[str, str], matched: bool) -> None:
    only_refunds = policies(rule(verbs=frozenset({"refund"}), **patterns))
    if matched:
        refused(only_refunds, facts())
    else:
        assert demands(only_refunds, facts()) == Demands()


def test_a_verb_that_is_not_allowed_is_refused() -> None:
    rules = policies(rule(verbs=frozenset({"refund", "charge"})))
    error = refused(rules, facts(verb="create_customer", amount=None, currency=None))
    assert (error.rule, error.limit) == ("r", ("charge", "refund"))
    assert "allows charge, refund" in str(error)
    assert demands(rules, facts()) == Demands()


def test_a_currency_that_is_not_allowed_is_refused() -> None:
    rules = policies(rule(currencies=frozenset({"usd"})))
    assert refused(rules, facts(currency="eur")).limit == ("usd",)
    assert "cannot be known" in str(refused(rules, facts(currency=None)))
    assert demands(rules, facts(currency="usd")) == Demands()


def test_more_than_the_largest_amount_is_refused_in_major_units() -> None:
    rules = policies(rule(largest={"usd": 50_000, "jpy": 50_000}))
    assert demands(rules, facts(50_000)) == Demands()
    error = refused(rules, facts(50_001))
    assert error.limit == Decimal("500.00")
    assert "at most 500.00 usd at once, not 500.01 usd" in str(error)
    assert "at most 50000 jpy at once, not 50001 jpy" in str(refused(rules, facts(50_001, "jpy")))


def test_a_limit_of_zero_lets_nothing_through() -> None:
    refused(policies(rule(largest={"usd": 0})), facts(1))


def test_the_strictest_rule_is_the_one_that_is_named() -> None:
    rules = policies(
        rule("wide", largest={"usd": 900}),
        rule("narrow", largest={"usd": 500}),
        rule("middle", largest={"usd": 700}),
    )
    error = refused(rules, facts(1000))
    assert (error.rule, error.limit) == ("narrow", Decimal("5.00"))


@pytest.mark.parametrize("verb", ["charge", "create_subscription", "create_checkout_session"])
@pytest.mark.parametrize("limits", [{"largest": {"usd": 5000}}, {"budgets": (USD_DAY,)}])
def test_an_amount_that_cannot_be_known_passes_no_limit(verb: str, limits: Any) -> None:
    error = refused(policies(rule(**limits)), facts(None, verb=verb))
    assert "cannot be known" in str(error)
    assert error.limit in (Decimal("50.00"), Decimal("1000.00"))


def test_a_subscription_of_a_thousand_counts_a_thousand_times() -> None:
    """Its amount is price times quantity, and that is what is reserved."""
    budget = Budget("month", 500_000, "usd")
    call = facts(1000 * 1999, verb="create_subscription")
    (part,) = demands(policies(rule(budgets=(budget,))), call).reservations
    assert part.amount > part.limit


def test_a_budget_counts_its_own_verbs_only() -> None:
    rules = policies(rule(budgets=(Budget("day", 5, "usd", verbs=frozenset({"refund"})),)))
    assert demands(rules, facts(None)) == Demands()
    assert demands(rules, facts(9, "eur")) == Demands()
    (part,) = demands(rules, facts(3, verb="refund")).reservations
    assert (part.kind, part.amount) == ("money", 3)
    refused(rules, facts(None, verb="refund"))


def test_a_verb_without_an_amount_knows_limits_of_verbs_and_calls_only() -> None:
    rules = policies(
        rule(
            largest={"usd": 1},
            budgets=(replace(USD_DAY, verbs=frozenset({"create_customer"})),),
            currencies=frozenset({"usd"}),
            approval_above={"usd": 0},
            call_limits=(CallLimit("hour", 3),),
        )
    )
    for currency in (None, "usd", "eur"):
        found = demands(rules, facts(None, currency, verb="create_customer"))
        assert [part.kind for part in found.reservations] == ["calls"]
        assert found.approval is None


def test_what_is_counted_has_a_stable_readable_name() -> None:
    """One counter, however the bot is spelled."""
    rules = policies(
        rule(
            "collectors",
            budgets=(USD_DAY, Budget("month", 900_000, "usd", shared=True)),
            call_limits=(CallLimit("hour", 100), CallLimit("day", 500, shared=True)),
        )
    )
    found = demands(rules, facts(1999))
    assert found.reservations == (
        Reservation("collectors", "collectors/calls/day/-/*", "calls", "day", 1, 500),
        Reservation("collectors", f"collectors/calls/hour/-/{BOT}", "calls", "hour", 1, 100),
        Reservation(
            *("collectors", f"collectors/money/day/usd/{BOT}", "money", "day"), 1999, 100_000, "usd"
        ),
        Reservation(
            *("collectors", "collectors/money/month/usd/*", "money", "month"), 1999, 900_000, "usd"
        ),
    )
    assert demands(rules, facts(1999, bot=f"stripe:{BOT}")) == found
    acme = demands(rules, facts(1999, bot=f"acme:{BOT}"))
    assert f"collectors/money/day/usd/acme:{BOT}" in [part.counter for part in acme.reservations]


@pytest.mark.parametrize("amount", [700, None])
def test_a_refund_gives_back_only_where_the_budget_says_so(amount: int | None) -> None:
    giving = Budget("day", 5000, "usd", refunds_restore=True)
    call = facts(amount, verb="refund")
    (part,) = demands(policies(rule(budgets=(giving, Budget("hour", 9, "usd")))), call).reservations
    assert (part.kind, part.per, part.amount) == ("restore", "day", amount or 0)
    (taken,) = demands(policies(rule(budgets=(giving,))), facts(1)).reservations
    assert part.counter == taken.counter


def test_refunds_of_other_bots_payments_are_told_to_the_engine() -> None:
    rules = policies(rule("first"), rule("second", own_payments_only=True))
    assert demands(rules, facts(verb="refund")).own_payment == "second"
    assert demands(rules, facts()).own_payment is None


@pytest.mark.parametrize(
    ("call", "asks"),
    [
        (facts(2000), None),
        (facts(2001), "strict"),
        (facts(9000), "strict"),
        (facts(None), "strict"),
        (facts(1, "eur"), "strict"),
        (facts(None, None), "lax"),
        (facts(2001, verb="refund"), "strict"),
    ],
)
def test_approval_is_asked_above_the_lowest_amount(call: Any, asks: str | None) -> None:
    rules = policies(
        rule("lax", approval_above={"usd": 5000, "eur": 1}),
        rule("strict", approval_above={"usd": 2000}),
    )
    assert demands(rules, call).approval == asks


def test_a_threshold_of_zero_asks_for_everything() -> None:
    assert demands(policies(rule(approval_above={"usd": 0})), facts(1)).approval == "r"


def test_a_currency_that_is_listed_needs_no_threshold() -> None:
    rules = policies(rule(approval_above={"usd": 5}, currencies=frozenset({"usd", "eur"})))
    assert demands(rules, facts(9000, "eur")).approval is None


@pytest.mark.parametrize("limits", [{"largest": {"usd": 5000}}, {"budgets": (USD_DAY,)}])
def test_a_limit_in_one_currency_does_not_leave_the_others_unlimited(limits: Any) -> None:
    error = refused(policies(rule(**limits)), facts(1, "eur"))
    assert error.limit == ("usd",)
    assert "the currencies that it has limits for" in str(error)


def test_a_currency_is_let_through_unlimited_where_its_own_rule_says_so() -> None:
    capped = rule("capped", largest={"usd": 5000}, currencies=frozenset({"usd", "eur"}))
    assert demands(policies(capped), facts(9_000_000, "eur")) == Demands()
    other = rule("other", largest={"eur": 5000})
    assert refused(policies(capped, other), facts(9000, "eur")).rule == "other"
    strict = rule("strict", largest={"usd": 5000})
    assert refused(policies(strict, other), facts(1, "eur")).rule == "strict"


def test_what_does_not_fit_says_what_is_left() -> None:
    rules = policies(rule("caps", budgets=(USD_DAY,), call_limits=(CallLimit("hour", 7),)))
    calls, money = demands(rules, facts(60_000)).reservations
    error = over_limit(money, 25_050)
    assert (error.rule, error.limit, error.remaining) == (
        *("caps", Decimal("1000.00")),
        Decimal("250.50"),
    )
    assert "allows 1000.00 usd in one day; 250.50 usd left, and this takes 600.00 usd" in str(error)
    error = over_limit(calls, 0)
    assert (error.limit, error.remaining) == (7, 0)
    assert "allows 7 calls in one hour; 0 calls left, and this takes 1 call" in str(error)
