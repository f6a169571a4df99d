"""Which payment method a call uses, and which currency."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ....errors import InvalidRequestError
from ....models import ResolvedRoute, Route
from .base import Price

PAYMENT_METHOD_PREFIXES = ("pm_", "card_", "src_", "ba_")


def chosen_method(asked: Mapping[str, Any], customer_id: str, route: Route) -> str | None:
    """Return the caller's method, else the route's: that belongs to the route's customer only."""
    if asked.get("payment_method_id") is not None:
        return str(asked["payment_method_id"])
    return route.payment_method_id if customer_id == route.customer_id else None


def billed_currency(price: Price, route: ResolvedRoute) -> str:
    """The route's own currency has to be one the price has; a mere default gives way."""
    wanted = route.route.currency
    if wanted is None or wanted == price.currency or wanted in price.amounts:
        return wanted or price.currency
    raise InvalidRequestError(
        f"{price.id} is in {price.currency}, the route in {wanted}; correct the route's currency "
        "or price_id.",
        parameter="price_id",
    )
