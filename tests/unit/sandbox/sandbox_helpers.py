"""A world with one customer, and the Stripe SDK talking to it."""

from __future__ import annotations

from typing import Any

import stripe

from stripe_billing_router.sandbox import (
    SANDBOX_API_BASE,
    SANDBOX_SECRET_KEY,
    SandboxHTTPClient,
    World,
)

stripe.enable_telemetry = False

CUSTOMER = "cus_one"
CARD = "pm_one"


def new_world(**settings: Any) -> World:
    """A world where `cus_one` has the working card `pm_one` as its default."""
    world = World(**settings)
    world.add_customer(CUSTOMER, email="one@example.org", default_payment_method=CARD)
    return world


def client_of(world: World, key: str = SANDBOX_SECRET_KEY, **settings: Any) -> stripe.StripeClient:
    """The SDK, as an application uses it, against `world`."""
    return stripe.StripeClient(
        key,
        http_client=SandboxHTTPClient(world),
        base_addresses={"api": SANDBOX_API_BASE},
        **settings,
    )


def payment(**changes: Any) -> Any:
    """Parameters of a payment that is collected at once, off session; None leaves one out."""
    params: dict[str, Any] = {
        "amount": 1999,
        "currency": "usd",
        "customer": CUSTOMER,
        "payment_method": CARD,
        "confirm": True,
        "off_session": True,
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        **changes,
    }
    return {name: value for name, value in params.items() if value is not None}


def keyed(key: str) -> Any:
    """Options with an idempotency key."""
    return {"idempotency_key": key}


def error_of(error: stripe.StripeError) -> dict[str, Any]:
    """The inside of the error body, as it came over the wire."""
    body: Any = error.json_body
    found: dict[str, Any] = body["error"]
    return found
