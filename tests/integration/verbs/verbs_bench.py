"""A bench for verbs: a world with a catalogue, a routing file, a ledger in a file."""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import stripe

from stripe_billing_router.client import BillingRouter
from stripe_billing_router.errors import InvalidRequestError
from stripe_billing_router.models import LedgerEntry
from stripe_billing_router.sandbox import (
    SANDBOX_API_BASE,
    SANDBOX_SECRET_KEY,
    Fault,
    HttpRequest,
    SandboxHTTPClient,
    World,
)
from stripe_billing_router.sandbox.journal import RecordedRequest
from stripe_billing_router.testing import SANDBOX_PUBLIC_KEY

BOT = "finance:bot"
MEMBER = "finance:member"
YEN = "finance:yen"
EURO = "finance:euro"
POOR = "finance:poor"
CUSTOMER = "cus_one"
OTHER = "cus_two"
CARD = "pm_one"
EMAIL = "someone@example.org"
ONCE, MONTHLY, IN_YEN = "price_once", "price_monthly", "price_yen"
DAY = 24 * 3600.0
PAYING = "POST /v1/payment_intents"
DASHBOARD_KEY = "sk_live_dashboard0000000000000"

ROUTING = f"""
stripe:
  default:
    finance:
      bot: {{product_id: prod_1, price_id: {ONCE}, customer_id: {CUSTOMER}, user_email: {EMAIL}}}
      member: {{product_id: prod_1, price_id: {MONTHLY}, customer_id: {CUSTOMER}}}
      yen: {{product_id: prod_1, price_id: {IN_YEN}, customer_id: {CUSTOMER}, currency: jpy}}
      euro: {{product_id: prod_1, price_id: {ONCE}, customer_id: {CUSTOMER}, currency: eur}}
      poor: {{product_id: prod_1, price_id: {ONCE}, customer_id: cus_without_card}}
"""

stripe.enable_telemetry = False

Change = Callable[[str, dict[str, Any]], None]


class Wire(SandboxHTTPClient):
    """The sandbox's transport. It keeps the bodies of all answers, and may change them first.

    `forged` maps `"METHOD /path"` to a status and body that are answered instead; what `refuse`
    is told is answered once.
    """

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.bodies: list[dict[str, Any]] = []
        self.change: Change | None = None
        self.forged: dict[str, tuple[int, dict[str, Any]]] = {}
        self._refusals: list[tuple[str, int, dict[str, Any]]] = []

    def refuse(self, match: str, status: int, body: dict[str, Any]) -> None:
        """Answer the next request that matches (a glob) without asking the sandbox."""
        self._refusals.append((match, status, body))

    def request(  # type: ignore[override]
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        line = f"{method.upper()} {urlsplit(url).path}"
        instead = self.forged.get(line) or self._refusal(line)
        if instead is not None:
            self.world.requests.append(_record(self.world, method, url, headers or {}, instead[0]))
            return json.dumps(instead[1]).encode(), instead[0], {"Request-Id": "req_forged"}
        content, status, answered = super().request(method, url, headers, post_data)
        body = json.loads(content)
        if self.change is not None:
            self.change(line, body)
        self.bodies.append(body)
        return json.dumps(body).encode(), status, answered

    def _refusal(self, line: str) -> tuple[int, dict[str, Any]] | None:
        for number, (match, status, body) in enumerate(self._refusals):
            if fnmatch.fnmatchcase(line, match):
                del self._refusals[number]
                return status, body
        return None


def _record(
    world: World, method: str, url: str, headers: Mapping[str, str], status: int
) -> RecordedRequest:
    """A request that the sandbox was not asked, for the list of what was sent."""
    sent = HttpRequest.to(method, url, headers, None)
    return RecordedRequest(
        method=sent.method,
        path=sent.path,
        params={},
        headers=sent.headers,
        api_key=sent.headers["authorization"].removeprefix("Bearer "),
        idempotency_key=sent.headers.get("idempotency-key"),
        request_id="req_forged",
        at_ms=world.clock.now_ms(),
        status=status,
    )


@dataclass
class Bench:
    """One world and one ledger; `router` is warm: account and prices are known to it."""

    world: World
    folder: Path
    wire: Wire
    router: BillingRouter
    more: list[BillingRouter] = field(default_factory=list)

    @property
    def dashboard(self) -> stripe.StripeClient:
        """The SDK, as people and other systems of the same account use it."""
        return stripe.StripeClient(
            DASHBOARD_KEY,
            http_client=SandboxHTTPClient(self.world),
            base_addresses={"api": SANDBOX_API_BASE},
        )

    def restarted(self, ledger: str = "ledger.db", **changes: Any) -> BillingRouter:
        """Another router, as a process makes it that starts now."""
        url = f"sqlite:///{self.folder}/{ledger}"
        made = new_router(self.folder, url, self.world, self.wire, **changes)
        self.more.append(made)
        return made

    def fault(self, kind: Any, match: str, **settings: Any) -> None:
        self.world.faults.add(Fault(kind, match=match, **settings))

    def sent(self) -> list[str]:
        """What the router has sent since the bench was made, ids replaced by `*`."""
        ours = [r for r in self.world.requests if r.api_key == SANDBOX_SECRET_KEY]
        return [f"{r.method} {re.sub(ID, '/*', r.path)}" for r in ours]

    def forget_requests(self) -> None:
        self.world.requests.clear()

    def entries(self) -> list[LedgerEntry]:
        return list(self.router.ledger.entries())

    def entry(self) -> LedgerEntry:
        """The last row of the ledger."""
        return self.entries()[-1]

    def collected(self) -> list[int]:
        """Minor units of every charge that moved money, oldest first."""
        return [int(effect["amount_captured"]) for effect in self.world.effects()]

    def collectable(self) -> list[str]:
        """What could still take money from a customer, by id and status."""
        world = self.world
        found = [
            f"{obj['id']} {obj['status']}"
            for kind, statuses in PAYABLE.items()
            for obj in world.objects(kind)
            if obj["status"] in statuses
        ]
        pending = [i for i in world.objects("invoiceitem") if i["invoice"] is None]
        return found + [f"{item['id']} pending" for item in pending]

    def close(self) -> None:
        for router in (self.router, *self.more):
            router.close()


ID = r"/(?:in|ii|pi|ch|py|re|sub|cus|price|cs_live|inpay|pm|evt)_[A-Za-z0-9_]+"

PAYABLE = {
    "invoice": ("draft", "open", "uncollectible"),
    "payment_intent": ("requires_payment_method", "requires_confirmation", "requires_action"),
    "subscription": ("incomplete",),
    "checkout.session": ("open",),
}


def new_world() -> World:
    """A world where everything exists that the routing file names, and a little more."""
    world = World()
    world.add_key(DASHBOARD_KEY)
    world.add_customer(CUSTOMER, email=EMAIL, default_payment_method=CARD)
    world.add_customer(OTHER, default_payment_method="pm_two")
    world.add_customer("cus_without_card")
    world.add_price(ONCE, product="prod_1", unit_amount=1999)
    world.add_price("price_two_currencies", unit_amount=1000, currency_options={"eur": 900})
    world.add_price(MONTHLY, product="prod_1", unit_amount=500, interval="month")
    world.add_price(IN_YEN, product="prod_1", unit_amount=1000, currency="jpy")
    return world


def new_router(folder: Path, url: str, world: World, wire: Wire, **changes: Any) -> BillingRouter:
    settings: dict[str, Any] = {
        "secret_key": SANDBOX_SECRET_KEY,
        "public_key": SANDBOX_PUBLIC_KEY,
        "ledger_url": url,
        "api_base": SANDBOX_API_BASE,
        "http_client": wire,
        "clock": world.clock,
        "environ": {},
        "recover_at_start": False,
        **changes,
    }
    return BillingRouter(folder / "routing.yaml", **settings)


def warm(router: BillingRouter) -> None:
    """Let a router look up account and prices, by calls that are refused before they pay."""
    for refused in (
        lambda: router.charge(EURO),
        lambda: router.charge(MEMBER),
        lambda: router.create_subscription(YEN),
    ):
        with suppress(InvalidRequestError):
            refused()
