"""What the lint says of rules that cannot be meant, and that it says nothing of others."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stripe_billing_router.models import Budget, CallLimit, Policies, PolicyRule, RouteKey
from stripe_billing_router.policy import Facts
from stripe_billing_router.policy.covering import covers
from stripe_billing_router.policy.linting import lint_policies
from stripe_billing_router.providers.stripe.verbs import VERBS
from tests.unit.policy.policy_samples import asked, calls, rules

ROUTES: dict[RouteKey, str] = {
    ("stripe", "default", "finance", "fee_collector"): "usd",
    ("stripe", "default", "finance", "tax_collector"): "usd",
    ("stripe", "eu", "finance", "fee_collector"): "eur",
    ("stripe", "default", "reporting", "reporter"): "usd",
}
CHARGE, REFUND = frozenset({"charge"}), frozenset({"refund"})
ALL = VERBS.values()
DAY = Budget("day", 5000, "usd")


def rule(name: str = "r", **limits: Any) -> PolicyRule:
    return PolicyRule(name, **limits)


def found(*given_rules: PolicyRule) -> list[tuple[str, str]]:
    return [(check, path) for check, path, _ in lint_policies(Policies(given_rules), ROUTES, ALL)]


def test_rules_that_can_be_meant_have_no_finding() -> None:
    assert not found(
        rule("all", verbs=CHARGE | REFUND, call_limits=(CallLimit("hour", 100),)),
        rule("us", region="default", largest={"usd": 5000}, approval_above={"usd": 2000}),
        rule("eu", region="eu", largest={"eur": 4000}, budgets=(Budget("day", 9000, "eur"),)),
        rule("fees", region="default", bot_name="fee_*", verbs=CHARGE, budgets=(DAY,)),
        rule("refunds", verbs=REFUND | CHARGE, own_payments_only=True),
    )


CASES: list[tuple[str, str, list[PolicyRule]]] = [
    ("rule-matches-no-bot", "r.match", [rule(bot_name="fees_*", verbs=CHARGE)]),
    (
        "rule-covered",
        "r",
        [
            rule(bot_name="fee_*", largest={"usd": 9, "eur": 9}),
            rule("s", largest={"usd": 9, "eur": 9}),
        ],
    ),
    ("rule-covered", "r", [rule("s", verbs=CHARGE), rule(verbs=CHARGE | REFUND)]),
    ("rule-covered", "r", [rule("s", own_payments_only=True), rule(own_payments_only=True)]),
    (
        "no-verb-left",
        "r.verbs",
        [rule(verbs=CHARGE), rule("s", verbs=REFUND, bot_name="fee_*")],
    ),
    ("route-currency-refused", "r", [rule(currencies=frozenset({"usd"}))]),
    ("route-currency-refused", "r", [rule(largest={"usd": 5})]),
    ("route-currency-refused", "r", [rule(verbs=CHARGE, budgets=(DAY,))]),
    (
        "approval-never-asked",
        "r.approval_above.usd",
        [rule(approval_above={"usd": 500, "eur": 5}, largest={"usd": 500, "eur": 500})],
    ),
    (
        "approval-never-asked",
        "r.approval_above.usd",
        [
            rule(bot_name="fee_*", approval_above={"usd": 500}),
            rule("s", largest={"usd": 400, "eur": 400}),
        ],
    ),
    (
        "budget-never-used",
        "r.budgets.0",
        [rule(region="default", verbs=REFUND, budgets=(DAY,))],
    ),
    (
        "budget-never-used",
        "r.budgets.0",
        [rule(region="eu", currencies=frozenset({"eur"}), budgets=(DAY,), largest={"eur": 5})],
    ),
    (
        "currency-without-limit",
        "r.currencies",
        [rule(currencies=frozenset({"usd", "eur"}), largest={"usd": 5})],
    ),
]


@pytest.mark.parametrize(("check", "place", "given_rules"), CASES)
def test_each_finding_has_its_id_and_its_place(
    check: str, place: str, given_rules: list[PolicyRule]
) -> None:
    assert found(*given_rules) == [(check, f"policies.rules.{place}")]
    (finding,) = lint_policies(Policies(tuple(given_rules)), ROUTES, ALL)
    assert "; " in finding.message, "it ends with what to do"


def test_bots_are_named_and_counted() -> None:
    only_yen = rule(currencies=frozenset({"jpy"}))
    first, second = lint_policies(Policies((only_yen,)), ROUTES, ALL)
    assert "usd, the currency of finance:fee_collector in default, finance:tax" in first.message
    assert "eur, the currency of finance:fee_collector in eu;" in second.message
    many = {("stripe", "eu", "finance", f"b{n}"): "usd" for n in range(9)}
    (finding,) = lint_policies(Policies((only_yen,)), many, ALL)
    assert "finance:b2 in eu and 6 more;" in finding.message


@pytest.mark.parametrize(
    ("strict", "lax"),
    [
        ({"bot_name": "fee_*"}, {"bot_name": "*"}),
        ({"bot_name": "*_collector"}, {"bot_name": "fee_*"}),
        ({"budgets": (DAY,)}, {"budgets": (replace(DAY, shared=True),)}),
        ({"budgets": (replace(DAY, per="hour"),)}, {"budgets": (DAY,)}),
        ({"budgets": (replace(DAY, refunds_restore=True),)}, {"budgets": (DAY,)}),
        (
            {"currencies": frozenset({"usd"}), "budgets": (replace(DAY, verbs=CHARGE),)},
            {"currencies": frozenset({"usd"}), "budgets": (DAY,)},
        ),
        (
            {"approval_above": {"usd": 5}, "currencies": frozenset({"usd", "eur"})},
            {"approval_above": {"usd": 5}},
        ),
        ({"call_limits": (CallLimit("day", 9),)}, {"call_limits": (CallLimit("day", 8),)}),
        ({"largest": {"usd": 5}}, {"largest": {"usd": 4}}),
        ({"largest": {"usd": 5, "eur": 5}}, {"largest": {"usd": 5}}),
        ({"approval_above": {"usd": 5, "eur": 9}}, {"approval_above": {"usd": 5}}),
    ],
)
def test_what_is_laxer_in_one_thing_covers_nothing(strict: Any, lax: Any) -> None:
    assert not covers(rule(**strict), rule(**lax), ALL)


NAMES = [field.name for field in fields(PolicyRule)][1:]


@st.composite
def pairs(draw: st.DrawFn) -> tuple[PolicyRule, PolicyRule]:
    """Two rules that agree in most things, so that one often covers the other."""
    one, other = draw(rules), draw(rules)
    changed = draw(st.sets(st.sampled_from(NAMES), max_size=4))
    strict = replace(one, name="strict", **{name: getattr(other, name) for name in changed})
    return strict, replace(one, name="lax")


@settings(deadline=None)
@given(pairs(), calls)
def test_a_rule_that_is_covered_changes_nothing(
    pair: tuple[PolicyRule, PolicyRule], call: Facts
) -> None:
    strict, lax = pair
    assume(covers(strict, lax, ALL))
    alone, both = asked(Policies((strict,)), call), asked(Policies((strict, lax)), call)
    assert (alone is None) == (both is None)
    if alone is None or both is None:
        return
    assert (alone.approval is None) == (both.approval is None)
    assert (alone.own_payment is None) == (both.own_payment is None)
    for part in both.reservations:
        if part.kind != "restore":
            assert any(
                (own.kind, own.per, own.currency) == (part.kind, part.per, part.currency)
                and own.limit <= part.limit
                for own in alone.reservations
            )
