"""What is registered at run time lies over the file's, is checked like it, and can be dropped."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from stripe_billing_router.errors import (
    InvalidRequestError,
    RouteConfigurationError,
    RouteNotFoundError,
)
from stripe_billing_router.models import BotId, Route
from stripe_billing_router.routing import RoutingTable
from tests.unit.routing.routing_samples import (
    BOT,
    FIELDS,
    OVERRIDES,
    PLANTED,
    ROUTE,
    ROUTES,
    rule,
    table,
)
from tests.unit.verbs.verbs_samples import Pretender

NEW = {**FIELDS, "price_id": "price_new"}


def test_a_registered_route_covers_the_files() -> None:
    routes = table()
    routes.register_route("finance", "bot", NEW)
    assert dict(routes.resolve(BOT, {}).route) == NEW
    assert routes.routes["stripe", "default", "finance", "bot"].price_id == "price_new"


def test_a_route_can_be_registered_as_a_route_object_for_a_new_domain_and_region() -> None:
    routes = table()
    routes.register_route("c", "b", Route(**FIELDS, currency="EUR"), domain="d", region="r")
    found = routes.resolve(BotId.parse("d:c:b"), {"region": "r"})
    assert found.currency == "eur"


def test_a_registered_override_covers_the_files_and_applies_to_its_region() -> None:
    routes = table()
    routes.register_override(rule(value="pro", route={"price_id": "price_x"}))
    assert routes.resolve(BOT, {"plan": "pro"}).route.price_id == "price_x"
    assert routes.resolve(BOT, {"plan": "pro", "region": "eu"}).route.price_id == "price_pro_eu"
    routes.register_override(rule(value="pro", region="eu", route={"currency": "CHF"}))
    assert routes.resolve(BOT, {"plan": "pro", "region": "eu"}).currency == "chf"


def test_forgetting_a_bot_brings_the_files_routes_and_overrides_back() -> None:
    routes = table()
    routes.register_route("finance", "bot", NEW)
    routes.register_route("finance", "bot", NEW, region="us")
    routes.register_route("finance", "bot2", NEW)
    routes.register_override(rule())
    routes.register_override(rule(value="pro"))
    routes.forget_registered(BotId.parse("stripe:finance:bot"))
    assert dict(routes.resolve(BOT, {}).route) == FIELDS
    assert routes.resolve(BOT, {"plan": "pro"}).route.price_id == "price_pro"
    for overrides in ({"region": "us"}, {"plan": "gold"}):
        with pytest.raises(RouteNotFoundError):
            routes.resolve(BOT, overrides)
    assert dict(routes.resolve(BotId.parse("finance:bot2"), {}).route) == NEW


def test_the_file_given_to_the_table_is_not_changed() -> None:
    given = dict(ROUTES)
    routes = RoutingTable(given)
    routes.register_route("finance", "new", NEW)
    assert given == ROUTES
    given.clear()
    assert len(routes.routes) == len(ROUTES) + 1


def test_a_route_that_its_owner_changes_later_stays_as_it_was_checked() -> None:
    mine = dict(NEW)
    routes = table()
    routes.register_route("finance", "bot", mine)
    mine["price_id"] = PLANTED
    assert routes.resolve(BOT, {}).route.price_id == "price_new"


def test_the_view_is_live_and_read_only() -> None:
    routes = table()
    view = routes.routes
    key = ("stripe", "default", "finance", "new")
    assert key not in view
    routes.register_route("finance", "new", NEW)
    assert view is routes.routes
    assert key in view
    assert len(view) == len(list(view)) == len(view.items()) == len(ROUTES) + 1
    with pytest.raises(TypeError):
        view[key] = ROUTE  # type: ignore[index]
    with pytest.raises(KeyError):
        view["stripe", "default", "finance", "absent"]


def test_registering_and_forgetting_during_an_iteration_does_no_harm() -> None:
    routes = table()
    routes.register_route("finance", "extra", NEW)
    seen = []
    for number, (key, route) in enumerate(routes.routes.items()):
        routes.register_route("finance", f"new{number}", NEW)
        routes.forget_registered(BotId.parse("finance:extra"))
        seen.append((key, dict(route)))
    assert len(seen) == len(ROUTES) + 1


MALFORMED: list[tuple[Any, str]] = [
    ({}, "product_id is missing"),
    (None, "is not a mapping"),
    ([], "is not a mapping"),
    ({**FIELDS, "price_id": ""}, "price_id is empty"),
    ({**FIELDS, "price_id": 5}, "price_id is not text"),
    ({**FIELDS, "pirce_id": "x"}, "did you mean price_id?"),
    ({**FIELDS, "currency": "euro"}, "currency is wrong"),
    ({**FIELDS, "customer_id": "prod_1"}, "looks like a product_id"),
    ({**FIELDS, "account_id": "1"}, "does not start with acct_"),
    ({**FIELDS, "secret_key": PLANTED}, "secret_key does not belong here"),
    ({**FIELDS, "public_key": "pk"}, "public_key does not belong here"),
    ({**FIELDS, "user_email": PLANTED}, "holds a key"),
    ({**dict[Any, str](FIELDS), 5: "x"}, "5 is not a field"),
]


@pytest.mark.parametrize(("route", "says"), MALFORMED)
def test_a_malformed_route_is_refused_and_changes_nothing(route: Any, says: str) -> None:
    routes = table()
    with pytest.raises(RouteConfigurationError) as caught:
        routes.register_route("finance", "bot", route)
    assert says in str(caught.value)
    assert caught.value.faults[0][0] == "stripe.default.finance.bot"
    assert isinstance(caught.value, ValueError)
    assert PLANTED.encode() not in pickle.dumps(caught.value)
    assert dict(routes.resolve(BOT, {}).route) == FIELDS


@pytest.mark.parametrize("name", ["", "a b", "a:b", "é", None, 5, "x" * 65, "-x", "a\n", PLANTED])
@pytest.mark.parametrize("place", ["business_category", "bot_name", "domain", "region"])
def test_a_route_is_registered_under_proper_names_only(place: str, name: Any) -> None:
    names = {"business_category": "finance", "bot_name": "bot", place: name}
    with pytest.raises(RouteConfigurationError) as caught:
        table().register_route(route=FIELDS, **names)
    assert place in str(caught.value)
    assert PLANTED not in str(caught.value)
    assert PLANTED not in str(caught.value.faults)


def test_every_fault_of_a_registration_is_reported_at_once() -> None:
    with pytest.raises(RouteConfigurationError) as caught:
        table().register_route("a b", "c d", {"price_id": "", "nonsense": "x"})
    assert len(caught.value.faults) == 6


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (5, "the rule is not a mapping"),
        ({}, "business_category is missing"),
        (rule(bot_nam="x"), "'bot_nam' is not part of an override rule; did you mean 'bot_name'?"),
        (rule(key="region"), "'region' is reserved"),
        (rule(key="secret_key"), "secret_key does not belong here"),
        (rule(key=""), "the override's key is ''"),
        (rule(value=None), "the override's value is not text"),
        (rule(value="a\nb"), "printable"),
        (rule(value=PLANTED), "the override's value holds a key"),
        (rule(domain="a b"), "domain is 'a b'"),
        (rule(route={}), "sets nothing"),
        (rule(route={"currency": None}), "sets nothing"),
        (rule(route={"api_key": PLANTED}), "api_key does not belong here"),
        (rule(route={"price_id": ""}), "price_id is empty"),
        (rule(route="price_1"), "is not a mapping"),
    ],
)
def test_a_malformed_override_rule_is_refused(wrong: Any, says: str) -> None:
    with pytest.raises(RouteConfigurationError) as caught:
        table().register_override(wrong)
    assert says in str(caught.value)
    assert PLANTED not in str(caught.value)
    assert str(caught.value).endswith("correct the call of register_override() and repeat it.")


def test_a_name_that_passes_for_another_covers_nobody_s_route() -> None:
    """And a rollback finds what was registered."""
    routes = table()
    for pretender in (Pretender("other", "bot"), Pretender("bot", "other")):
        routes.register_route("finance", pretender, NEW)
        routes.register_override(rule(bot_name=pretender, key=Pretender("tier", "plan")))
    assert {type(name) for key in routes.routes for name in key} == {str}
    for name in ("bot", "other"):
        assert dict(routes.resolve(BotId.parse(f"finance:{name}"), {"tier": "gold"}).route)
        routes.forget_registered(BotId.parse(f"finance:{name}"))
    assert dict(routes.routes) == ROUTES
    assert dict(routes.overrides) == OVERRIDES


@pytest.mark.parametrize("name", ["secret_key", "api_key"])
def test_a_key_does_not_pass_as_a_field_of_a_route(name: str) -> None:
    with pytest.raises(RouteConfigurationError):
        table().register_route("finance", "bot", {**FIELDS, Pretender(name, "currency"): "usd"})
    with pytest.raises(RouteConfigurationError):
        table().register_route(
            "finance", "bot", {**FIELDS, "customer_id": Pretender(PLANTED, "cus_1")}
        )


def test_a_bot_id_is_what_it_says_and_changes_nobody_else_s() -> None:
    assert BotId.parse(Pretender("finance:a", "finance:b")) == BotId.parse("finance:a")
    assert str(BotId.parse("finance:b")) == "finance:b"


@pytest.mark.parametrize("bot_id", [f"finance:{PLANTED}", f"{PLANTED}:bot", f"a:{PLANTED}:bot"])
def test_a_key_is_no_bot_s_name(bot_id: str) -> None:
    with pytest.raises(InvalidRequestError, match="looks like a secret") as told:
        BotId.parse(bot_id)
    assert PLANTED not in f"{told.value!r} {vars(told.value)}"
