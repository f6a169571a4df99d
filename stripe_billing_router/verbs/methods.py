"""Which payment method a call uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..models import Route

PAYMENT_METHOD_PREFIXES = ("pm_", "card_", "src_", "ba_")


def chosen_method(asked: Mapping[str, Any], customer_id: str, route: Route) -> str | None:
    """Return the caller's method, else the route's: that belongs to the route's customer only."""
    if asked.get("payment_method_id") is not None:
        return str(asked["payment_method_id"])
    return route.payment_method_id if customer_id == route.customer_id else None
