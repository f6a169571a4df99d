"""The objects have the fields that the SDK's own classes declare: none gone, none missing."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from stripe_billing_router.sandbox import World
from tests.unit.sandbox.sandbox_helpers import CARD, CUSTOMER, client_of, new_world, payment

CLASSES: dict[str, Any] = {
    "balance_transaction": stripe.BalanceTransaction,
    "charge": stripe.Charge,
    "checkout.session": stripe.checkout.Session,
    "customer": stripe.Customer,
    "dispute": stripe.Dispute,
    "event": stripe.Event,
    "invoice": stripe.Invoice,
    "invoice_payment": stripe.InvoicePayment,
    "invoiceitem": stripe.InvoiceItem,
    "payment_intent": stripe.PaymentIntent,
    "payment_method": stripe.PaymentMethod,
    "price": stripe.Price,
    "product": stripe.Product,
    "refund": stripe.Refund,
    "setup_intent": stripe.SetupIntent,
    "subscription": stripe.Subscription,
    "subscription_item": stripe.SubscriptionItem,
    "webhook_endpoint": stripe.WebhookEndpoint,
}


@pytest.fixture(scope="module")
def busy_world() -> World:
    """A world with at least one object of every kind."""
    world = new_world()
    client = client_of(world)
    world.add_price("price_once", unit_amount=500)
    world.add_price("price_monthly", unit_amount=700, interval="month")
    paid = client.v1.payment_intents.create(payment())
    client.v1.refunds.create({"payment_intent": paid.id, "amount": 100})
    disputed = client.v1.payment_intents.create(payment())
    world.open_dispute(str(disputed.latest_charge))
    client.v1.subscriptions.create({"customer": CUSTOMER, "items": [{"price": "price_monthly"}]})
    invoice = client.v1.invoices.create({"customer": CUSTOMER})
    client.v1.invoice_items.create(
        {"customer": CUSTOMER, "invoice": invoice.id, "pricing": {"price": "price_once"}}
    )
    client.v1.setup_intents.create({"customer": CUSTOMER, "payment_method": CARD})
    client.v1.checkout.sessions.create(
        {
            "mode": "payment",
            "line_items": [{"price": "price_once", "quantity": 1}],
            "success_url": "https://x.example/",
        }
    )
    client.v1.webhook_endpoints.create({"url": "https://x.example/", "enabled_events": ["*"]})
    return world


@pytest.mark.parametrize("kind", sorted(CLASSES))
def test_an_object_has_the_fields_of_its_class(busy_world: World, kind: str) -> None:
    declared = {
        name: str(annotation)
        for name, annotation in CLASSES[kind].__annotations__.items()
        if name not in ("OBJECT_NAME", "deleted")
    }
    demanded = {
        name
        for name, annotation in declared.items()
        if "Optional" not in annotation and "NoneType" not in annotation
    }
    found = busy_world.objects(kind)
    assert found
    for obj in found:
        assert set(obj) - set(declared) == set()
        assert demanded - set(obj) == set()


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("invoice", ("payment_intent", "charge", "paid", "subscription")),
        ("payment_intent", ("charges", "invoice")),
        ("charge", ("invoice",)),
        ("subscription", ("current_period_end", "current_period_start")),
    ],
)
def test_fields_of_older_versions_are_gone(
    busy_world: World, kind: str, names: tuple[str, ...]
) -> None:
    for obj in busy_world.objects(kind):
        assert not set(names) & set(obj)


def test_lists_and_lines_are_complete(busy_world: World) -> None:
    [invoice] = [i for i in busy_world.objects("invoice") if i["billing_reason"] == "manual"]
    [line] = invoice["lines"]["data"]
    declared = set(stripe.InvoiceLineItem.__annotations__)
    assert set(line) <= declared
    [session] = (
        client_of(busy_world).v1.checkout.sessions.list({"expand": ["data.line_items"]}).data
    )
    assert session.line_items is not None
    assert set(session.line_items.data[0].to_dict()) <= set(stripe.LineItem.__annotations__)
