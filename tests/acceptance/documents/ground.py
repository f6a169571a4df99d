"""What scenes begin with: a project that is set up, and a bot that has worked in it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import stripe

from stripe_billing_router.config.template import TEMPLATE_PATH
from stripe_billing_router.sandbox import SANDBOX_SECRET_KEY
from tests.acceptance.documents.shell import Shell

BOT = "finance:finance_router_bot"


def connect(shell: Shell) -> None:
    """Set what a host sets, as if the sandbox were Stripe."""
    shell.environment["STRIPE_API_BASE"] = shell.api_base
    shell.environment["STRIPE_SECRET_KEY"] = SANDBOX_SECRET_KEY


def configure(shell: Shell, text: str) -> None:
    """Add sections to the routing file."""
    with (shell.folder / TEMPLATE_PATH).open("a") as file:
        file.write(text)


def around_the_router(shell: Shell) -> stripe.StripeClient:
    """The SDK itself, with a key that somebody has got hold of."""
    return stripe.StripeClient(
        SANDBOX_SECRET_KEY,
        base_addresses={"api": shell.api_base},
    )


@contextlib.contextmanager
def at_work(shell: Shell) -> Iterator[None]:
    """A bot that has charged once."""
    connect(shell)
    with shell.router() as router:
        router.charge(BOT, "19.99", idempotency_key="order-1001")
    yield


@contextlib.contextmanager
def something_bypassed_the_door(shell: Shell) -> Iterator[None]:
    """A payment by somebody else, and an endpoint that nobody listed."""
    with at_work(shell):
        customer = shell.world.add_customer(default_payment_method="pm_theirs")
        around_the_router(shell).v1.payment_intents.create(
            params={
                "amount": 5000,
                "currency": "usd",
                "customer": customer,
                "payment_method": "pm_theirs",
                "confirm": True,
                "off_session": True,
                "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            }
        )
        shell.world.add_webhook_endpoint("https://example.org/listening")
        yield
