"""What the lint says of overrides, and of what Stripe has."""

from __future__ import annotations

from typing import Any

import pytest

from stripe_billing_router.models import OverrideKey, Route, RouteKey
from stripe_billing_router.routing.linting import changed_routes, lint_overrides
from stripe_billing_router.routing.stripe_objects import lint_customer, lint_price

DEFAULT: RouteKey = ("stripe", "default", "finance", "bot")
EU: RouteKey = ("stripe", "eu", "finance", "bot")
ROUTE = Route("prod_1", "price_1", "cus_1")
EU_ROUTE = Route("prod_1", "price_eu", "cus_1", currency="eur")
ROUTES = {DEFAULT: ROUTE, EU: EU_ROUTE}
PLAN = ("plan", "pro")
Overrides = dict[OverrideKey, dict[str, str]]


def found(routes: dict[RouteKey, Route], overrides: Overrides) -> list[tuple[str, str]]:
    return [(check, path) for check, path, _ in lint_overrides(routes, overrides)]


def test_rules_that_change_a_call_have_no_finding() -> None:
    overrides: Overrides = {
        (*DEFAULT, *PLAN): {"price_id": "price_eu"},
        (*EU, *PLAN): {"price_id": "price_pro"},
        (*EU, "plan", "max"): {"price_id": "price_eu", "customer_id": "cus_2"},
    }
    assert not found(ROUTES, overrides)


def test_the_rules_of_the_default_region_also_apply_elsewhere() -> None:
    assert not found(ROUTES, {(*DEFAULT, *PLAN): {"price_id": "price_1"}})
    assert not found({EU: EU_ROUTE}, {(*DEFAULT, *PLAN): {"price_id": "price_1"}})


@pytest.mark.parametrize(
    ("check", "routes", "overrides"),
    [
        ("override-without-route", {EU: EU_ROUTE}, {("other", *EU[1:], *PLAN): {}}),
        ("override-without-route", {DEFAULT: ROUTE}, {(*EU, *PLAN): {"price_id": "x"}}),
        (
            "override-hidden",
            {EU: EU_ROUTE},
            {(*DEFAULT, *PLAN): {"price_id": "x"}, (*EU, *PLAN): {"price_id": "y"}},
        ),
        ("override-changes-nothing", ROUTES, {(*EU, *PLAN): {"currency": "eur"}}),
        (
            "override-changes-nothing",
            {DEFAULT: ROUTE},
            {(*DEFAULT, *PLAN): {"price_id": "price_1"}},
        ),
    ],
)
def test_each_finding_has_its_id_and_its_place(
    check: str, routes: dict[RouteKey, Route], overrides: Overrides
) -> None:
    first = next(iter(overrides))
    assert found(routes, overrides) == [(check, ".".join((*first[:4], "overrides", "plan", "pro")))]


def test_every_route_that_a_call_can_get_is_looked_at() -> None:
    overrides: Overrides = {
        (*DEFAULT, *PLAN): {"price_id": "price_pro"},
        (*EU, "plan", "max"): {"price_id": "price_max"},
    }
    changed = [(path, dict(route)["price_id"]) for path, route in changed_routes(ROUTES, overrides)]
    assert changed == [
        ("stripe.default.finance.bot", "price_1"),
        ("stripe.eu.finance.bot", "price_eu"),
        ("stripe.default.finance.bot.overrides.plan.pro", "price_pro"),
        ("stripe.default.finance.bot.overrides.plan.pro", "price_pro"),
        ("stripe.eu.finance.bot.overrides.plan.max", "price_max"),
    ]


@pytest.mark.parametrize(
    ("route", "price", "checks"),
    [
        (ROUTE, None, ["price-missing"]),
        (ROUTE, {"active": True, "currency": "usd"}, []),
        (ROUTE, {"active": True, "currency": "eur"}, []),
        (ROUTE, {"active": False, "currency": "usd"}, ["price-inactive"]),
        (EU_ROUTE, {"active": True, "currency": "eur"}, []),
        (EU_ROUTE, {"active": False, "currency": "usd"}, ["price-inactive", "price-currency"]),
        (EU_ROUTE, {"active": True, "currency": "usd", "currency_options": {"eur": {}}}, []),
    ],
)
def test_what_speaks_against_a_price(route: Route, price: Any, checks: list[str]) -> None:
    assert [finding.check for finding in lint_price("p", route, price)] == checks


@pytest.mark.parametrize(
    ("route", "customer", "checks"),
    [
        (ROUTE, None, ["customer-missing"]),
        (ROUTE, {"currency": "eur"}, []),
        (ROUTE, {"deleted": True}, ["customer-deleted"]),
        (EU_ROUTE, {"currency": None}, []),
        (EU_ROUTE, {"currency": "eur"}, []),
        (EU_ROUTE, {"currency": "usd"}, ["customer-currency"]),
    ],
)
def test_what_speaks_against_a_customer(route: Route, customer: Any, checks: list[str]) -> None:
    assert [finding.check for finding in lint_customer("p", route, customer)] == checks
