"""Every money verb as a case: how it is called, what it creates, how it goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stripe_billing_router.client import BillingRouter
from tests.integration.verbs.verbs_bench import BOT, CARD, EMAIL, MEMBER, ONCE, Bench

CUSTOMER_INFO = {"email": "new@example.org", "name": "New"}
SUCCESS_URL = "https://shop.example/thanks"


@dataclass(frozen=True)
class Case:
    """One verb. `call` takes the router, the id of a payment made before, and further arguments.

    `other` are arguments of another call, `wrong` those that Stripe itself refuses.
    """

    name: str
    verb: str
    action_type: str
    bot: str
    call: Callable[[BillingRouter, str, dict[str, Any]], Any]
    sends: str
    amount_minor: int | None
    state: str
    status: str | None
    currency: str | None
    other: dict[str, Any]
    wrong: dict[str, Any]
    user_email: str | None = None

    def __str__(self) -> str:
        return self.name

    def run(self, bench: Bench, paid: str = "pi_none", **given: Any) -> Any:
        return self.call(bench.router, paid, given)


def _session(router: BillingRouter, _: str, given: dict[str, Any]) -> Any:
    lines = [{"price": ONCE, "quantity": 2}]
    return router.create_checkout_session(BOT, lines, **{"success_url": SUCCESS_URL, **given})


CHARGE = Case(
    name="charge",
    verb="charge",
    action_type="charge",
    bot=BOT,
    call=lambda router, _, given: router.charge(BOT, **{"amount": "19.99", **given}),
    sends="POST /v1/payment_intents",
    amount_minor=1999,
    state="succeeded",
    status="succeeded",
    currency="usd",
    other={"amount": "20.00"},
    wrong={"amount": "0.10"},
    user_email=EMAIL,
)
BY_PRICE = Case(
    name="by_price",
    verb="charge",
    action_type="charge",
    bot=BOT,
    call=lambda router, _, given: router.charge(BOT, **given),
    sends="POST /v1/invoices",
    amount_minor=1999,
    state="succeeded",
    status="paid",
    currency="usd",
    other={"quantity": 2},
    wrong={"customer_id": "cus_nobody"},
    user_email=EMAIL,
)
REFUND = Case(
    name="refund",
    verb="refund",
    action_type="refund",
    bot=BOT,
    call=lambda router, paid, given: router.refund(BOT, paid, **given),
    sends="POST /v1/refunds",
    amount_minor=5000,
    state="succeeded",
    status="succeeded",
    currency="usd",
    other={"amount": "1.00"},
    wrong={"amount": "50.01"},
    user_email=EMAIL,
)
SUBSCRIPTION = Case(
    name="subscription",
    verb="create_subscription",
    action_type="subscription",
    bot=MEMBER,
    call=lambda router, _, given: router.create_subscription(MEMBER, **given),
    sends="POST /v1/subscriptions",
    amount_minor=500,
    state="succeeded",
    status="active",
    currency="usd",
    other={"quantity": 2},
    wrong={"customer_id": "cus_nobody"},
)
CHECKOUT = Case(
    name="checkout",
    verb="create_checkout_session",
    action_type="checkout_session",
    bot=BOT,
    call=_session,
    sends="POST /v1/checkout/sessions",
    amount_minor=0,
    state="requires_action",
    status="open",
    currency="usd",
    other={"success_url": "https://shop.example/other"},
    wrong={"customer_email": "both@example.org"},
    user_email=EMAIL,
)
NEW_CUSTOMER = Case(
    name="customer",
    verb="create_customer",
    action_type="customer",
    bot=BOT,
    call=lambda router, _, given: router.create_customer(BOT, CUSTOMER_INFO, **given),
    sends="POST /v1/customers",
    amount_minor=None,
    state="succeeded",
    status=None,
    currency=None,
    other={"phone": "+1 555 0100"},
    wrong={"payment_method": "pm_nothing"},
    user_email="new@example.org",
)

CASES = (CHARGE, BY_PRICE, REFUND, SUBSCRIPTION, CHECKOUT, NEW_CUSTOMER)


def payment_before(bench: Bench) -> str:
    """A payment of 50.00 made before, and nothing left to see of its requests."""
    done = bench.router.charge(BOT, 50, payment_method_id=CARD)
    bench.forget_requests()
    return str(done.id)
