"""Calls, routes and prices for verbs that are looked at without an engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from stripe_billing_router.models import LEFT_OUT, BotId, Call, Plan, ResolvedRoute, Route
from stripe_billing_router.providers.stripe.verbs import VERBS, Price, StripeVerb

BOT = BotId.parse("finance:bot")
ROUTE = Route("prod_1", "price_once", "cus_1")
ONCE = Price("price_once", "usd", {"usd": 1999, "eur": 1850}, recurring=False)
MONTHLY = Price("price_monthly", "usd", {"usd": 500}, recurring=True)
TIERED = Price("price_tiered", "usd", {}, recurring=False)
TIERED_MONTHLY = Price("price_tiered_monthly", "usd", {}, recurring=True)
LINES = [{"price": "price_once", "quantity": 2}]

ARGUMENTS: dict[str, dict[str, Any]] = {
    "charge": {
        "amount": "19.99",
        "description": None,
        "price_id": LEFT_OUT,
        "quantity": LEFT_OUT,
        "customer_id": LEFT_OUT,
        "payment_method_id": LEFT_OUT,
        "on_session": False,
    },
    "refund": {"payment_id": "pi_1", "amount": LEFT_OUT, "reason": None},
    "create_subscription": {
        "price_id": "price_monthly",
        "customer_id": LEFT_OUT,
        "quantity": LEFT_OUT,
    },
    "create_checkout_session": {"line_items": LINES, "customer_id": LEFT_OUT, "mode": None},
    "create_customer": {"customer_info": {}},
}
BY_PRICE: dict[str, Any] = {**ARGUMENTS["charge"], "amount": LEFT_OUT}

STEP_TYPES = {
    "charge": "PaymentIntentCreateParams",
    "refund": "RefundCreateParams",
    "create_subscription": "SubscriptionCreateParams",
    "create_checkout_session": "checkout.SessionCreateParams",
    "create_customer": "CustomerCreateParams",
}


@dataclass
class KnownPrices:
    """Lookups that know a few prices, and nothing else."""

    prices: Mapping[str, Price] = field(
        default_factory=lambda: {p.id: p for p in (ONCE, MONTHLY, TIERED, TIERED_MONTHLY)}
    )

    def default_payment_method(self, customer_id: str) -> str | None:
        return f"pm_of_{customer_id}"

    def price(self, price_id: str) -> Price:
        return self.prices[price_id]

    def payment_of_invoice(self, invoice_id: str) -> str:
        return invoice_id.replace("in_", "pi_")

    def currency_of_payment(self, payment_id: str) -> str:
        return "jpy"

    def owed(self, customer_id: str, currency: str) -> int:
        return 0


def verb_of(name: str) -> StripeVerb:
    return VERBS[name]


def checked(name: str, params: Mapping[str, Any] | None = None, **arguments: Any) -> Call:
    """A call of a verb, checked as a router checks it."""
    given = {**ARGUMENTS[name], **arguments}
    clean, extra = verb_of(name).check(given, params or {})
    return Call(BOT, name, clean, extra, {"order": "7"}, {})


def planned(
    name: str,
    params: Mapping[str, Any] | None = None,
    route: Route = ROUTE,
    **arguments: Any,
) -> Plan:
    """The plan of a call on a route, whose default currency is the dollar."""
    resolved = ResolvedRoute("default", route, route.currency or "usd")
    return verb_of(name).plan(checked(name, params, **arguments), resolved, KnownPrices())


class Pretender(str):
    """Text that is one thing and passes for another: for all that Python code can ask of it."""

    def __new__(cls, text: str, seems: str) -> Self:
        made = super().__new__(cls, text)
        made.seems = seems
        return made

    seems: str

    def __eq__(self, other: object) -> bool:
        return self.seems == other

    def __ne__(self, other: object) -> bool:
        return self.seems != other

    def __hash__(self) -> int:
        return hash(self.seems)

    def __str__(self) -> str:
        return self.seems

    def __repr__(self) -> str:
        return repr(self.seems)

    def __contains__(self, part: object) -> bool:
        return str(part) in self.seems

    def __len__(self) -> int:
        return len(self.seems)

    def split(self, *how: Any) -> list[str]:
        return self.seems.split(*how)

    def lower(self) -> str:
        return self.seems.lower()

    def startswith(self, *which: Any) -> bool:
        return self.seems.startswith(*which)

    def isprintable(self) -> bool:
        return True
