"""The verbs as functions: each is the default router's method of the same name."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from .default import get_router
from .models import Charge

if TYPE_CHECKING:
    from .routing import RouteStrategy


def charge(
    bot_id: str,
    amount: Decimal | int | str | float | None = None,
    description: str | None = None,
    *,
    price_id: str | None = None,
    quantity: int | None = None,
    customer_id: str | None = None,
    payment_method_id: str | None = None,
    on_session: bool = False,
    overrides: Mapping[str, str] | None = None,
    idempotency_key: str | None = None,
    metadata: Mapping[str, str] | None = None,
    **params: Any,
) -> Charge:
    """Collect `amount` (major units) from the bot's customer; see `BillingRouter.charge`."""
    return get_router().charge(
        bot_id,
        amount,
        description,
        price_id=price_id,
        quantity=quantity,
        customer_id=customer_id,
        payment_method_id=payment_method_id,
        on_session=on_session,
        overrides=overrides,
        idempotency_key=idempotency_key,
        metadata=metadata,
        **params,
    )


def register_route(
    business_category: str,
    bot_name: str,
    route: Mapping[str, str],
    *,
    domain: str = "stripe",
    region: str = "default",
) -> None:
    """Add or replace a route; see `BillingRouter.register_route`."""
    get_router().register_route(business_category, bot_name, route, domain=domain, region=region)


def register_override(rule: Mapping[str, Any]) -> None:
    """Add or replace an override rule; see `BillingRouter.register_override`."""
    get_router().register_override(rule)


def register_strategy(strategy: RouteStrategy) -> None:
    """Add a strategy; see `BillingRouter.register_strategy`."""
    get_router().register_strategy(strategy)
