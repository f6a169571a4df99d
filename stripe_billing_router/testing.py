"""For tests of bots: the whole library against the sandbox, with no network and no account."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from . import aio
from .client import BillingRouter
from .default import use_router, use_router_here
from .errors import ConfigurationError
from .frozen import frozen
from .master_account import SANDBOX_ACCOUNT_ID, STRIPE_MASTER_ACCOUNT_ID
from .models import OverrideKey, Route, RouteKey
from .ports import Observer
from .sandbox import (
    SANDBOX_API_BASE,
    SANDBOX_SECRET_KEY,
    Delivery,
    SandboxHTTPClient,
    World,
)
from .sandbox.posting import PULLED
from .store import StripeLedger

SANDBOX_PUBLIC_KEY = "pk_live_sandbox00000000000000"
_KEPT_SETTINGS = ("STRIPE_ROUTING_CONFIG", "STRIPE_ROUTER_HOME")
_PATIENCE = 10.0
"""Seconds that calls of `aio` have to end before their ledger is taken away."""


@frozen
class Sandbox:
    """A router whose Stripe is `world`. Time is virtual: it moves when something waits for it."""

    world: World
    router: BillingRouter
    webhook_endpoint: str

    @property
    def ledger(self) -> StripeLedger:
        """What the router wrote down."""
        return self.router.ledger

    def deliveries(self) -> Iterator[Delivery]:
        """Yield what Stripe would deliver now: raw bodies, and headers that the router trusts."""
        return self.world.deliveries(self.webhook_endpoint)

    def advance(self, seconds: float) -> None:
        """Let time pass, for Stripe and for the router alike."""
        self.world.clock.advance(seconds)


@contextmanager
def sandbox(
    config: str | Path | None = None,
    *,
    ledger_url: str | None = None,
    observers: Sequence[Observer] = (),
    despite_live_pin: bool = False,
) -> Iterator[Sandbox]:
    """Make the default router one whose Stripe is a sandbox, while the context lasts.

    Routes come from `config` or from where they always come from; the products, prices,
    customers and payment methods that they name exist in the sandbox. The ledger is a temporary
    one unless `ledger_url` is given. `observers` are told as a router's are. Keys and Vault of the
    environment are not looked at.

    A copy of the package that is pinned to a live account charges for real, and bots that meet a
    sandbox there would take nothing for something: ConfigurationError unless `despite_live_pin`
    says that this is meant. Then the sandbox is the default of this thread, or task, alone.
    """
    live = STRIPE_MASTER_ACCOUNT_ID != SANDBOX_ACCOUNT_ID
    if live and not despite_live_pin:
        raise ConfigurationError(
            f"This copy of the package is pinned to {STRIPE_MASTER_ACCOUNT_ID}, so a sandbox is "
            "refused: payments would only seem to be made. In tests, say "
            "sandbox(despite_live_pin=True).",
            faults=(("master_account", "is a live account's"),),
        )
    used = use_router_here if live else use_router
    with tempfile.TemporaryDirectory(prefix="stripe-sandbox-") as folder:
        world = World(account_id=STRIPE_MASTER_ACCOUNT_ID)
        url = ledger_url or _temporary_ledger(Path(folder))
        made = sandbox_router(world, config, ledger_url=url, data_home=folder, observers=observers)
        with made as router, used(router):
            try:
                yield Sandbox(world, router, _endpoint(world))
            finally:
                aio.workers.join(_PATIENCE)


def sandbox_router(
    world: World,
    config: str | Path | None = None,
    *,
    ledger_url: str | None = None,
    data_home: str | Path | None = None,
    observers: Sequence[Observer] = (),
) -> BillingRouter:
    """Return a router whose Stripe is `world`, and put what its routes name into the world."""
    router = BillingRouter(
        config,
        secret_key=SANDBOX_SECRET_KEY,
        public_key=SANDBOX_PUBLIC_KEY,
        ledger_url=ledger_url,
        ledger_fallback=None if data_home is None else Path(data_home, "ledger.jsonl"),
        api_base=SANDBOX_API_BASE,
        http_client=SandboxHTTPClient(world),
        clock=world.clock,
        environ=_environment(world),
        recover_at_start=False,
        data_home=data_home,
        observers=observers,
    )
    furnish_routes(world, router.routes, router.overrides)
    return router


def furnish_routes(
    world: World,
    routes: Mapping[RouteKey, Route],
    overrides: Mapping[OverrideKey, Mapping[str, str]],
) -> None:
    """Put what routes, and routes changed by an override, name into the world."""
    for route in routes.values():
        furnish(world, route)
    for (domain, region, category, name, _, _), changes in overrides.items():
        changed = routes.get((domain, region, category, name))
        if changed is not None:
            furnish(world, {**changed, **changes})


def furnish(world: World, route: Mapping[str, str]) -> None:
    """Put what a route names into the world: a product with a one-time price of 10.00 (or 1000 of
    a currency without decimals), and a customer with a card that pays."""
    if not world.has(route["price_id"]):
        currency = route.get("currency", "usd")
        world.add_price(route["price_id"], product=route["product_id"], currency=currency)
    customer = route["customer_id"]
    if not world.has(customer):
        method = route.get("payment_method_id", f"pm_of_{customer}")
        world.add_customer(customer, email=route.get("user_email"), default_payment_method=method)


def _temporary_ledger(folder: Path) -> str:
    """An empty file, so that nobody is warned of a new ledger that is gone in a moment."""
    path = folder / "ledger.db"
    path.touch()
    return f"sqlite:///{path}"


def _environment(world: World) -> Mapping[str, str]:
    kept = {name: os.environ[name] for name in _KEPT_SETTINGS if name in os.environ}
    return {
        **kept,
        "STRIPE_ALLOWED_SECRET_KEYS": SANDBOX_SECRET_KEY,
        "STRIPE_WEBHOOK_SECRET": world.webhook_secret(_endpoint(world)),
    }


def _endpoint(world: World) -> str:
    """Return the endpoint whose webhooks the routers of a world trust; it is made once."""
    made = [found["id"] for found in world.objects("webhook_endpoint") if found["url"] == PULLED]
    return made[0] if made else world.add_webhook_endpoint()
