"""The verbs as functions: each is the default router's method of the same name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from .default import get_router
from .models import (
    Balance,
    Charge,
    CheckoutSession,
    Customer,
    Explanation,
    Refund,
    Result,
    Subscription,
)
from .secrecy import discreet
from .verbs import LEFT_OUT

if TYPE_CHECKING:
    from .routing import RouteStrategy


@discreet
def charge(
    bot_id: str,
    amount: Decimal | int | str | float = LEFT_OUT,
    description: str | None = None,
    *,
    price_id: str = LEFT_OUT,
    quantity: int = LEFT_OUT,
    customer_id: str = LEFT_OUT,
    payment_method_id: str = LEFT_OUT,
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


@discreet
def refund(
    bot_id: str,
    payment_id: str,
    *,
    amount: Decimal | int | str | float = LEFT_OUT,
    reason: str | None = None,
    overrides: Mapping[str, str] | None = None,
    idempotency_key: str | None = None,
    metadata: Mapping[str, str] | None = None,
    **params: Any,
) -> Refund:
    """Give back a payment, whole, or `amount` (major units) of it; see `BillingRouter.refund`."""
    return get_router().refund(
        bot_id,
        payment_id,
        amount=amount,
        reason=reason,
        overrides=overrides,
        idempotency_key=idempotency_key,
        metadata=metadata,
        **params,
    )


@discreet
def create_subscription(
    bot_id: str,
    *,
    price_id: str = LEFT_OUT,
    customer_id: str = LEFT_OUT,
    quantity: int = LEFT_OUT,
    overrides: Mapping[str, str] | None = None,
    idempotency_key: str | None = None,
    metadata: Mapping[str, str] | None = None,
    **params: Any,
) -> Subscription:
    """Have a customer pay a recurring price; see `BillingRouter.create_subscription`."""
    return get_router().create_subscription(
        bot_id,
        price_id=price_id,
        customer_id=customer_id,
        quantity=quantity,
        overrides=overrides,
        idempotency_key=idempotency_key,
        metadata=metadata,
        **params,
    )


@discreet
def create_checkout_session(
    bot_id: str,
    line_items: Sequence[Mapping[str, Any]],
    *,
    customer_id: str = LEFT_OUT,
    mode: str | None = None,
    overrides: Mapping[str, str] | None = None,
    idempotency_key: str | None = None,
    metadata: Mapping[str, str] | None = None,
    **params: Any,
) -> CheckoutSession:
    """Make a page where a customer pays; see `BillingRouter.create_checkout_session`."""
    return get_router().create_checkout_session(
        bot_id,
        line_items,
        customer_id=customer_id,
        mode=mode,
        overrides=overrides,
        idempotency_key=idempotency_key,
        metadata=metadata,
        **params,
    )


@discreet
def create_customer(
    bot_id: str,
    customer_info: Mapping[str, Any],
    *,
    overrides: Mapping[str, str] | None = None,
    idempotency_key: str | None = None,
    metadata: Mapping[str, str] | None = None,
    **params: Any,
) -> Customer:
    """Create a customer; see `BillingRouter.create_customer`."""
    return get_router().create_customer(
        bot_id,
        customer_info,
        overrides=overrides,
        idempotency_key=idempotency_key,
        metadata=metadata,
        **params,
    )


@discreet
def get_balance(bot_id: str, *, overrides: Mapping[str, str] | None = None) -> Balance:
    """Return the account's balance by currency; see `BillingRouter.get_balance`."""
    return get_router().get_balance(bot_id, overrides=overrides)


@discreet
def cancel(operation_id: str) -> Result:
    """End an operation that waits for its customer; see `BillingRouter.cancel`."""
    return get_router().cancel(operation_id)


@discreet
def iter_master_events(
    *,
    event_types: Sequence[str] | None = None,
    created: Mapping[str, int] | int | None = None,
    **params: Any,
) -> Iterator[dict[str, Any]]:
    """Yield the account's events, newest first; see `BillingRouter.iter_master_events`."""
    return get_router().iter_master_events(event_types=event_types, created=created, **params)


@discreet
def validate_webhook_account(event: Any) -> bool:
    """Return whether an event is the master account's; see the method of BillingRouter."""
    return get_router().validate_webhook_account(event)


@discreet
def explain(
    bot_id: str,
    verb: str = "charge",
    *,
    amount: Decimal | int | str | float | None = None,
    overrides: Mapping[str, str] | None = None,
) -> Explanation:
    """Return what would apply to a call; sends nothing; see `BillingRouter.explain`."""
    return get_router().explain(bot_id, verb, amount=amount, overrides=overrides)


@discreet
def verify_router(bot_ids: Iterable[str] = ()) -> None:
    """Check the default router before start-up; see `BillingRouter.verify_router`."""
    get_router().verify_router(bot_ids)


@discreet
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


@discreet
def register_override(rule: Mapping[str, Any]) -> None:
    """Add or replace an override rule; see `BillingRouter.register_override`."""
    get_router().register_override(rule)


@discreet
def register_strategy(strategy: RouteStrategy) -> None:
    """Add a strategy; see `BillingRouter.register_strategy`."""
    get_router().register_strategy(strategy)
