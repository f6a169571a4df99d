"""Tables and routes that the routing tests share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from stripe_billing_router.models import BotId, OverrideKey, Route, RouteKey
from stripe_billing_router.routing import RouteStrategy, RoutingTable

FIELDS = {"product_id": "prod_1", "price_id": "price_1", "customer_id": "cus_1"}
ROUTE = Route(**FIELDS)
BOT = BotId.parse("finance:bot")
PLANTED = "sk_live_4eC39HqLyjWDarjtT1zdp7dc"

ROUTES: dict[RouteKey, Route] = {
    ("stripe", "default", "finance", "bot"): ROUTE,
    ("stripe", "eu", "finance", "bot"): Route(**FIELDS, currency="eur"),
    ("stripe", "eu", "finance", "only_eu"): ROUTE,
    ("other", "default", "reports", "bot"): ROUTE,
}
OVERRIDES: dict[OverrideKey, Mapping[str, str]] = {
    ("stripe", "default", "finance", "bot", "plan", "pro"): {"price_id": "price_pro"},
    ("stripe", "eu", "finance", "bot", "plan", "pro"): {"price_id": "price_pro_eu"},
    ("stripe", "default", "finance", "bot", "plan", "basic"): {"price_id": "price_basic"},
    ("stripe", "default", "finance", "bot", "payer", "parent"): {"customer_id": "cus_parent"},
    ("stripe", "default", "finance", "bot", "promo", "may"): {"price_id": "price_may"},
}


def table() -> RoutingTable:
    return RoutingTable(ROUTES, OVERRIDES)


def rule(**changes: Any) -> dict[str, Any]:
    """A faultless override rule, changed as the test needs it."""
    names = {"business_category": "finance", "bot_name": "bot", "key": "plan", "value": "gold"}
    return {**names, "route": {"price_id": "price_gold"}, **changes}


class Strategy(RouteStrategy):
    """A strategy made of a function."""

    def __init__(self, function: Callable[[str, Route], Any]) -> None:
        self._function = function

    def apply(self, bot_id: str, route: Route) -> Route | Mapping[str, str]:
        answer: Route | Mapping[str, str] = self._function(bot_id, route)
        return answer
