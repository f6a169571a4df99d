"""Random traffic, time and trouble: the books are straight after it."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
import stripe

from stripe_billing_router.sandbox import Fault, World
from tests.unit.sandbox.sandbox_helpers import CUSTOMER, client_of, keyed, new_world, payment

CARDS = ("pm_one", "pm_declined", "pm_authentication_required", "pm_processing", "pm_card_visa")
KINDS: Any = ("cut", "timeout", "truncated", "server_error", "rate_limited", "latency", "refused")
PAGE = {"success_url": "https://x.example/"}


class Walk:
    """One person who does things at random with a world."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.world = new_world(seed=seed)
        for outcome in ("declined", "authentication_required", "processing"):
            self.world.add_payment_method(f"pm_{outcome}", customer=CUSTOMER, outcome=outcome)
        self.world.add_price("price_once", unit_amount=500)
        self.world.add_price("price_monthly", unit_amount=700, interval="month")
        self.client = client_of(self.world)

    def step(self) -> None:
        """Do one thing; being refused is part of life."""
        what: list[Callable[[], object]] = [
            self.pay,
            self.pay,
            self.confirm,
            self.cancel,
            self.refund,
            self.bill,
            self.subscribe,
            self.check_out,
            self.play,
            self.wait,
            self.break_something,
        ]
        try:
            self.random.choice(what)()
        except (stripe.StripeError, ValueError):
            return

    def pay(self) -> None:
        params = payment(
            amount=self.random.choice([50, 1999]),
            payment_method=self.random.choice(CARDS),
            capture_method=self.random.choice(["automatic", "manual"]),
            **self.random.choice([{}, {"confirm": None, "off_session": None}]),
        )
        self.client.v1.payment_intents.create(params, keyed(self.random.choice("abcdefgh")))

    def confirm(self) -> None:
        method: Any = {"payment_method": self.random.choice(CARDS)}
        self.client.v1.payment_intents.confirm(self.any("payment_intent"), method)

    def cancel(self) -> None:
        self.client.v1.payment_intents.cancel(self.any("payment_intent"))

    def refund(self) -> None:
        part: Any = self.random.choice([{}, {"amount": 30}])
        self.client.v1.refunds.create(part | {"charge": self.any("charge")})

    def bill(self) -> None:
        asked: Any = {"customer": CUSTOMER, "auto_advance": self.random.random() < 0.5}
        invoice = self.client.v1.invoices.create(asked)
        self.client.v1.invoice_items.create(
            {
                "invoice": invoice.id,
                "pricing": {"price": "price_once"},
                "quantity": self.random.randrange(4),
            }
        )
        self.client.v1.invoices.finalize_invoice(invoice.id)
        method: Any = {"payment_method": self.random.choice(CARDS)}
        self.client.v1.invoices.pay(invoice.id, method)

    def subscribe(self) -> None:
        how = self.random.choice(["allow_incomplete", "default_incomplete", "error_if_incomplete"])
        asked: Any = {
            "customer": CUSTOMER,
            "items": [{"price": "price_monthly"}],
            "payment_behavior": how,
            "default_payment_method": self.random.choice(CARDS[:4]),
        }
        self.client.v1.subscriptions.create(asked)

    def check_out(self) -> None:
        mode = self.random.choice(["payment", "subscription"])
        price = "price_once" if mode == "payment" else "price_monthly"
        asked: Any = {"mode": mode, "line_items": [{"price": price, "quantity": 2}], **PAGE}
        session = self.client.v1.checkout.sessions.create(asked)
        self.world.complete_checkout(
            session.id, payment_method=self.random.choice(["pm_card_visa", "pm_usBankAccount"])
        )

    def play(self) -> None:
        yes = self.random.random() < 0.5
        acts: list[Callable[[], object]] = [
            lambda: self.world.complete_action(self.any("payment_intent"), yes),
            lambda: self.world.settle_processing(self.any("payment_intent"), yes),
            lambda: self.world.open_dispute(self.any("charge")),
            lambda: self.world.fail_refund(self.any("refund")),
        ]
        self.random.choice(acts)()

    def wait(self) -> None:
        self.world.advance(self.random.choice([1, 3600, 86_400, 35 * 86_400]))

    def break_something(self) -> None:
        kind = self.random.choice(KINDS)
        self.world.faults.add(
            Fault(kind, effect=kind in ("cut", "timeout", "server_error"), seconds=1.0)
        )

    def any(self, kind: str) -> str:
        found = self.world.objects(kind)
        if not found:
            raise ValueError(f"there is no {kind} yet")
        return str(self.random.choice(found)["id"])


@pytest.fixture(params=range(6), ids=lambda seed: f"seed{seed}")
def walked(request: pytest.FixtureRequest) -> World:
    """A world after a hundred and fifty things were done in it."""
    walk = Walk(request.param)
    for _ in range(150):
        walk.step()
    walk.world.faults.clear()
    return walk.world


def test_the_books_are_straight(walked: World) -> None:
    charges = walked.objects("charge")
    for charge in charges:
        assert 0 <= charge["amount_refunded"] <= charge["amount"]
    for intent in walked.objects("payment_intent"):
        own = [c for c in charges if c["payment_intent"] == intent["id"]]
        collected = sum(c["amount_captured"] for c in own)
        assert collected == intent["amount_received"]
        assert (collected > 0) == (intent["status"] == "succeeded")
    for invoice in walked.objects("invoice"):
        if invoice["status"] == "paid":
            assert invoice["amount_paid"] == invoice["amount_due"]
    entries = walked.objects("balance_transaction")
    booked = [entry for entry in entries if entry["type"] in ("charge", "payment")]
    assert sum(entry["amount"] for entry in booked) == sum(c["amount_captured"] for c in charges)
    pending, available = (
        sum(held.amount for held in getattr(client_of(walked).v1.balance.retrieve(), name))
        for name in ("pending", "available")
    )
    assert pending + available == sum(entry["net"] for entry in entries)
