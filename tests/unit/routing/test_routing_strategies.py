"""Strategies may refine a route, never more."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from stripe_billing_router.errors import RouteConfigurationError
from stripe_billing_router.models import BotId, Route
from stripe_billing_router.routing import RouteStrategy
from tests.unit.routing.routing_samples import BOT, FIELDS, PLANTED, Strategy, table


def test_strategies_run_in_order_of_registration_after_overrides() -> None:
    seen = []

    def first(bot_id: str, route: Route) -> Route:
        seen.append((bot_id, route.price_id))
        return replace(route, price_id="price_first")

    def second(bot_id: str, route: Route) -> dict[str, str]:
        seen.append((bot_id, route.price_id))
        return {**route, "currency": "CHF"}

    routes = table()
    routes.register_strategy(Strategy(first))
    routes.register_strategy(Strategy(second))
    found = routes.resolve(BotId.parse("stripe:finance:bot"), {"plan": "pro"})
    assert seen == [("finance:bot", "price_pro"), ("finance:bot", "price_first")]
    assert (found.route.price_id, found.currency) == ("price_first", "chf")


def test_a_strategy_need_not_inherit_anything() -> None:
    class Plain:
        def apply(self, bot_id: str, route: Route) -> Route:
            return replace(route, customer_id="cus_plain")

    routes = table()
    routes.register_strategy(Plain())
    assert routes.resolve(BOT, {}).route.customer_id == "cus_plain"


def test_a_subclass_without_apply_cannot_be_made() -> None:
    class Unfinished(RouteStrategy):
        pass

    with pytest.raises(TypeError):
        Unfinished()  # type: ignore[abstract]


def test_registering_one_strategy_twice_applies_it_once() -> None:
    calls = []

    def counted(bot_id: str, route: Route) -> Route:
        calls.append(bot_id)
        return route

    strategy = Strategy(counted)
    routes = table()
    routes.register_strategy(strategy)
    routes.register_strategy(strategy)
    routes.resolve(BOT, {})
    assert calls == ["finance:bot"]


@pytest.mark.parametrize("strategy", [None, 5, Strategy, "finance", lambda bot, route: route])
def test_what_has_no_apply_is_no_strategy(strategy: Any) -> None:
    with pytest.raises(RouteConfigurationError, match="is not a route strategy"):
        table().register_strategy(strategy)


@pytest.mark.parametrize("field", ["secret_key", "public_key", "api_key"])
def test_a_strategy_cannot_bring_in_a_key(field: str) -> None:
    """A hook that answers with another account's key."""
    routes = table()
    routes.register_strategy(Strategy(lambda _, route: {**route, field: PLANTED}))
    with pytest.raises(RouteConfigurationError, match=f"{field} does not belong here") as caught:
        routes.resolve(BOT, {})
    assert "routing_samples.Strategy for finance:bot" in str(caught.value)
    assert PLANTED not in str(caught.value)
    assert PLANTED.encode() not in pickle.dumps(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        5,
        "price_1",
        {},
        {"price_id": "price_2"},
        {**FIELDS, "price_id": PLANTED},
        {**FIELDS, "price_id": ""},
        {**FIELDS, "currency": "xyz"},
        {**FIELDS, "customer_id": "acct_1"},
        {**FIELDS, "stripe_account": "acct_1"},
        Route("prod_1", "", "cus_1"),
        Route("prod_1", "price_1", "cus_1", currency=5),  # type: ignore[arg-type]
    ],
)
def test_what_a_strategy_returns_is_checked_like_the_file(answer: Any) -> None:
    routes = table()
    routes.register_strategy(Strategy(lambda _bot, _route: answer))
    with pytest.raises(RouteConfigurationError, match=r"Strategy for finance:bot: ") as caught:
        routes.resolve(BOT, {})
    assert PLANTED not in str(caught.value)
    assert str(caught.value).endswith("or do not register it.")


def test_a_mapping_that_answers_differently_the_second_time_is_read_once() -> None:
    class Shifty(Mapping[str, str]):
        reads = 0

        def __getitem__(self, name: str) -> str:
            self.reads += name == "price_id"
            return PLANTED if self.reads > 1 and name == "price_id" else FIELDS[name]

        def __iter__(self) -> Iterator[str]:
            return iter(FIELDS)

        def __len__(self) -> int:
            return len(FIELDS)

    routes = table()
    routes.register_strategy(Strategy(lambda _bot, _route: Shifty()))
    assert dict(routes.resolve(BOT, {}).route) == FIELDS


def test_what_a_strategy_raises_names_the_strategy_and_shows_no_key() -> None:
    def failing(bot_id: str, route: Route) -> Route:
        raise KeyError(f"no rule for {PLANTED}")

    routes = table()
    routes.register_strategy(Strategy(failing))
    with pytest.raises(RouteConfigurationError, match=r"Strategy for .* raised KeyError") as caught:
        routes.resolve(BOT, {})
    assert PLANTED not in "".join(traceback.format_exception(caught.value))


def test_an_interrupt_inside_a_strategy_goes_through() -> None:
    def interrupted(bot_id: str, route: Route) -> Route:
        raise KeyboardInterrupt

    routes = table()
    routes.register_strategy(Strategy(interrupted))
    with pytest.raises(KeyboardInterrupt):
        routes.resolve(BOT, {})


def test_forgetting_a_bot_keeps_the_hosts_strategies() -> None:
    routes = table()
    routes.register_strategy(Strategy(lambda _, route: replace(route, currency="chf")))
    routes.forget_registered(BOT)
    assert routes.resolve(BOT, {}).currency == "chf"
