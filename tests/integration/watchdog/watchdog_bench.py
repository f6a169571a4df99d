"""A bench for the watchdog: a world, a router, a ledger, and somebody with a key of the account."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import stripe
from sqlalchemy import event

from stripe_billing_router.client import BillingRouter
from stripe_billing_router.models import AppendEntry, EntryDraft
from stripe_billing_router.ports import Clock
from stripe_billing_router.sandbox import (
    SANDBOX_API_BASE,
    SANDBOX_SECRET_KEY,
    SandboxHTTPClient,
    World,
)
from stripe_billing_router.stripe_watchdog.findings import Finding
from stripe_billing_router.stripe_watchdog.inspection import Inspection
from stripe_billing_router.stripe_watchdog.limits import Limits
from stripe_billing_router.testing import SANDBOX_PUBLIC_KEY

BOT, YEN, EURO, MEMBER, ROGUE = (
    f"finance:{name}" for name in ("bot", "yen", "euro", "member", "rogue")
)
CUSTOMER = "cus_one"
ONCE, MONTHLY = "price_once", "price_monthly"
HOOK = "https://billing.example/stripe"
DASHBOARD_KEY = "sk_live_dashboard0000000000000"
HOUR, DAY = 3600.0, 24 * 3600.0

ROUTING = f"""
stripe:
  default:
    finance:
      bot: {{product_id: prod_1, price_id: {ONCE}, customer_id: {CUSTOMER}}}
      yen: {{product_id: prod_1, price_id: {ONCE}, customer_id: {CUSTOMER}, currency: jpy}}
      euro: {{product_id: prod_1, price_id: {ONCE}, customer_id: {CUSTOMER}, currency: eur}}
      member: {{product_id: prod_1, price_id: {MONTHLY}, customer_id: cus_member}}
      rogue: {{product_id: prod_1, price_id: {ONCE}, customer_id: {CUSTOMER}}}
      drifting: {{product_id: prod_1, price_id: price_drift, customer_id: cus_drift}}
"""

stripe.enable_telemetry = False


@dataclass
class Bench:
    """One world and one ledger. `known` are the charges of routed payments, by operation."""

    world: World
    router: BillingRouter
    path: Path
    random: random.Random
    since_ms: int = 0
    routed: list[str] = field(default_factory=list)
    """Payments that were routed and not given back: their ids, as `charge()` returned them."""

    def __post_init__(self) -> None:
        self.since_ms = self.world.clock.now_ms() - 3_600_000

    @property
    def dashboard(self) -> stripe.StripeClient:
        """The SDK, as somebody uses it who goes around the router."""
        return stripe.StripeClient(
            DASHBOARD_KEY,
            http_client=SandboxHTTPClient(self.world),
            base_addresses={"api": SANDBOX_API_BASE},
        )

    def limits(self, **changes: Any) -> Limits:
        approved = frozenset({BOT, YEN, EURO, MEMBER})
        asked = Limits(
            self.since_ms,
            approved_workflows=approved,
            authorized_webhooks=frozenset({HOOK}),
        )
        return replace(asked, **changes)

    def found(self, **changes: Any) -> list[Finding]:
        """Return what an inspection finds."""
        return list(Inspection(self.router, self.limits(**changes)).findings())

    def charge_of(self, payment: str) -> dict[str, Any]:
        """Return the successful charge of a payment intent or an invoice, as Stripe has it."""
        if payment.startswith("in_"):
            paid = self.world.objects("invoice_payment")
            (payment,) = (p["payment"]["payment_intent"] for p in paid if p["invoice"] == payment)
        charges = self.world.objects("charge")
        (found,) = (
            c for c in charges if c["payment_intent"] == payment and c["status"] == "succeeded"
        )
        return found

    def inside(self, kind: str, object_id: str) -> dict[str, Any]:
        """Return an object of the sandbox itself, to be changed behind everybody's back."""
        found = self.world.state().find(kind, object_id)
        assert found is not None
        return found

    @contextmanager
    def rewriting(self, change: Callable[[EntryDraft], EntryDraft | None]) -> Iterator[None]:
        """Let the router write something else into the ledger than it should; None: nothing."""
        store = self.router.store
        honest = store.commit

        def commit(*writes: Any) -> None:
            kept = []
            for write in writes:
                entry = change(write.entry) if isinstance(write, AppendEntry) else None
                if not isinstance(write, AppendEntry):
                    kept.append(write)
                elif entry is not None:
                    kept.append(AppendEntry(entry))
            honest(*kept)

        store.commit = commit  # type: ignore[method-assign]
        try:
            yield
        finally:
            del store.commit

    def tamper(self, statement: str) -> None:
        """Change the ledger with the triggers out of the way."""
        with closing(sqlite3.connect(self.path)) as direct:
            triggers = direct.execute(
                "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
            ).fetchall()
            for name, _ in triggers:
                direct.execute(f"DROP TRIGGER {name}")
            direct.execute(statement)
            for _, definition in triggers:
                direct.execute(definition)
            direct.commit()


def new_world(seed: int) -> World:
    """A world where everything exists that the routing file names."""
    world = World(seed=seed)
    world.add_key(DASHBOARD_KEY)
    world.add_customer(CUSTOMER, default_payment_method="pm_one")
    world.add_customer("cus_member", default_payment_method="pm_member")
    world.add_customer("cus_drift")
    world.add_price(ONCE, product="prod_1", unit_amount=1999)
    world.add_price(MONTHLY, product="prod_1", unit_amount=500, interval="month")
    world.add_price("price_drift", product="prod_1")
    for outcome in ("declined:insufficient_funds", "authentication_required", "processing"):
        world.add_payment_method(f"pm_{outcome[:8]}", customer=CUSTOMER, outcome=outcome)
    return world


def new_bench(
    folder: Path,
    seed: int,
    ledger_url: str | None = None,
    *,
    world: World | None = None,
    clock: Clock | None = None,
) -> Bench:
    """Make a bench whose ledger is `folder/ledger.db`, which is made if it is not there."""
    world = world or new_world(seed)
    (folder / "routing.yaml").write_text(ROUTING)
    path = folder / "ledger.db"
    path.touch()
    router = BillingRouter(
        folder / "routing.yaml",
        secret_key=SANDBOX_SECRET_KEY,
        public_key=SANDBOX_PUBLIC_KEY,
        ledger_url=ledger_url or f"sqlite:///{path}",
        api_base=SANDBOX_API_BASE,
        http_client=SandboxHTTPClient(world),
        clock=clock or world.clock,
        environ={},
        recover_at_start=False,
    )
    if ledger_url is None:
        event.listen(router.store._sql._database().engine, "connect", _unsynchronised)
    return Bench(world, router, path, random.Random(seed))


def _unsynchronised(connection: Any, _record: Any) -> None:
    """No power loss is played here, and disks are slow."""
    connection.execute("PRAGMA synchronous=OFF")
