"""Which route a call gets: domains, regions, overrides."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import pytest

from stripe_billing_router.errors import (
    InvalidAmountError,
    InvalidRequestError,
    RouteConfigurationError,
    RouteNotFoundError,
)
from stripe_billing_router.models import BotId, Route
from stripe_billing_router.routing import RoutingTable
from tests.unit.routing.routing_samples import BOT, FIELDS, PLANTED, ROUTE, ROUTES, table


def test_a_bot_gets_its_own_route_in_the_default_region() -> None:
    found = table().resolve(BOT, {})
    assert (dict(found.route), found.region, found.currency) == (FIELDS, "default", "usd")


def test_both_spellings_of_a_bot_get_one_route() -> None:
    """`stripe:finance:bot` and `finance:bot` are one bot."""
    short, long = BotId.parse("finance:bot"), BotId.parse("stripe:finance:bot")
    assert table().resolve(short, {}) == table().resolve(long, {})


def test_a_call_chooses_its_region() -> None:
    found = table().resolve(BOT, {"region": "eu"})
    assert (found.region, found.currency) == ("eu", "eur")


def test_the_currency_is_the_routes_else_the_default_in_lower_case() -> None:
    routes = {**ROUTES, ("stripe", "us", "finance", "bot"): Route(**FIELDS, currency="CAD")}
    mixed = RoutingTable(routes, default_currency="GBP")
    assert mixed.resolve(BOT, {}).currency == "gbp"
    assert mixed.resolve(BOT, {"region": "us"}).currency == "cad"


def test_an_impossible_default_currency_is_refused() -> None:
    with pytest.raises(InvalidAmountError):
        RoutingTable({}, default_currency="euro")


@pytest.mark.parametrize(
    ("bot_id", "overrides", "says"),
    [
        ("strpe:finance:bot", {}, "the domain 'strpe' is unknown; did you mean 'stripe'?"),
        ("finanse:bot", {}, "business category 'finanse' is unknown; did you mean 'finance'?"),
        ("reports:bot", {}, "business categories of this domain: finance;"),
        ("finance:bott", {}, "the bot 'bott' is unknown; did you mean 'bot'?"),
        ("finance:bot", {"region": "us"}, "regions of this bot: default, eu;"),
        ("finance:bot", {"region": ""}, "the region '' is unknown"),
        ("finance:only_eu", {}, "the region 'default' is unknown; regions of this bot: eu;"),
        ("finance:only_eu", {"region": "eu1"}, "did you mean 'eu'?"),
    ],
)
def test_each_unknown_part_of_a_bot_has_its_own_message(
    bot_id: str, overrides: dict[str, str], says: str
) -> None:
    """Nothing falls back silently, and the message says what to do next."""
    bot = BotId.parse(bot_id)
    with pytest.raises(RouteNotFoundError) as caught:
        table().resolve(bot, overrides)
    assert says in str(caught.value)
    assert str(caught.value).endswith("(in the routing file, or with register_route()).")
    assert caught.value.bot_id == str(bot)
    assert caught.value.money == "not_moved"


def test_an_empty_table_says_that_there_are_no_routes() -> None:
    with pytest.raises(RouteNotFoundError, match="known domains: none"):
        RoutingTable({}).resolve(BOT, {})


def test_a_long_list_of_names_is_shortened() -> None:
    many = {("stripe", "default", "finance", f"b{n}"): ROUTE for n in range(100)}
    with pytest.raises(RouteNotFoundError, match="and 90 more") as caught:
        RoutingTable(many).resolve(BotId.parse("finance:zzz"), {})
    assert len(str(caught.value)) < 400


def test_overrides_change_the_fields_that_they_name() -> None:
    found = table().resolve(BOT, {"plan": "basic", "payer": "parent"})
    changed = {"price_id": "price_basic", "customer_id": "cus_parent"}
    assert dict(found.route) == {**FIELDS, **changed}


def test_a_regions_own_rule_goes_before_the_default_regions() -> None:
    eu = table().resolve(BOT, {"region": "eu", "plan": "pro"}).route
    assert eu.price_id == "price_pro_eu"
    assert eu.currency == "eur"


def test_the_default_regions_rule_answers_where_the_region_has_none() -> None:
    found = table().resolve(BOT, {"region": "eu", "plan": "basic"})
    assert (found.region, found.route.price_id) == ("eu", "price_basic")


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ({"plan": "prO"}, "did you mean 'pro'?"),
        ({"plam": "pro"}, "did you mean 'plan'?"),
        ({"zzz": "zzz"}, "payer = parent; plan = basic, pro; promo = may"),
        ({"plan": "pro", "payer": "nobody"}, "answers 'payer': 'nobody' in region 'default'"),
        ({"Region": "eu"}, "answers 'Region': 'eu'"),
    ],
)
def test_an_override_that_no_rule_answers_is_never_ignored(
    overrides: dict[str, str], says: str
) -> None:
    with pytest.raises(RouteNotFoundError) as caught:
        table().resolve(BOT, overrides)
    assert says in str(caught.value)
    assert "register_override()" in str(caught.value)


def test_another_regions_rules_do_not_answer() -> None:
    rules = {("stripe", "eu", "finance", "bot", "plan", "x"): {"price_id": "price_x"}}
    with pytest.raises(RouteNotFoundError, match="known: none"):
        RoutingTable(ROUTES, rules).resolve(BOT, {"plan": "x"})


def test_another_bots_rules_do_not_answer() -> None:
    other = {("stripe", "default", "finance", "bot2", "plan", "x"): {"price_id": "price_x"}}
    with pytest.raises(RouteNotFoundError):
        RoutingTable(ROUTES, other).resolve(BOT, {"plan": "x"})


def test_two_overrides_that_set_one_field_differently_are_refused() -> None:
    with pytest.raises(RouteConfigurationError, match="set price_id to different values"):
        table().resolve(BOT, {"plan": "pro", "promo": "may"})


def test_two_overrides_that_agree_are_taken() -> None:
    rules = {
        ("stripe", "default", "finance", "bot", key, "x"): {"price_id": "price_x"} for key in "ab"
    }
    found = RoutingTable(ROUTES, rules).resolve(BOT, {"a": "x", "b": "x"})
    assert found.route.price_id == "price_x"


@pytest.mark.parametrize("overrides", [[("a", "b")], "a=b", 1, {"a": 1}, {1: "a"}, {"a": None}])
def test_overrides_are_a_mapping_of_text_to_text(overrides: Any) -> None:
    with pytest.raises(InvalidRequestError, match="mapping of text to text") as caught:
        table().resolve(BOT, overrides)
    assert caught.value.parameter == "overrides"


@pytest.mark.parametrize("overrides", [None, {}, MappingProxyType({})])
def test_no_overrides_at_all_are_fine(overrides: Any) -> None:
    assert dict(table().resolve(BOT, overrides).route) == FIELDS


@pytest.mark.parametrize("key", ["secret_key", "public_key", "api_key", "Secret_Key"])
def test_a_call_cannot_bring_a_key_in_its_overrides(key: str) -> None:
    with pytest.raises(InvalidRequestError, match="keys come from Vault") as caught:
        table().resolve(BOT, {key: PLANTED})
    assert PLANTED not in str(caught.value)


def test_a_key_in_an_override_is_not_repeated_in_the_message() -> None:
    with pytest.raises(RouteNotFoundError) as caught:
        table().resolve(BOT, {"plan": PLANTED, "region": "eu"})
    assert PLANTED not in str(caught.value)


def test_the_callers_overrides_are_left_as_they_are() -> None:
    overrides = {"region": "eu", "plan": "pro"}
    table().resolve(BOT, overrides)
    assert overrides == {"region": "eu", "plan": "pro"}
