"""Subscriptions: the first invoice, the next ones, and the end."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from stripe_billing_router.sandbox import World
from tests.unit.sandbox.sandbox_helpers import CARD, CUSTOMER, client_of, new_world

PRICE = "price_monthly"
HOUR, DAY = 3600, 86_400


def shop() -> World:
    """A world with a subscription of 7.00 usd a month on offer."""
    world = new_world()
    world.add_price(PRICE, unit_amount=700, interval="month")
    return world


def subscribe(world: World, **params: Any) -> stripe.Subscription:
    """Subscribe the customer to one monthly price."""
    asked: Any = {"customer": CUSTOMER, "items": [{"price": PRICE}], **params}
    return client_of(world).v1.subscriptions.create(asked)


@pytest.mark.parametrize("behavior", ["allow_incomplete", "error_if_incomplete"])
def test_a_working_card_makes_it_active_at_once(behavior: str) -> None:
    world = shop()
    made = subscribe(
        world,
        payment_behavior=behavior,
        items=[{"price": PRICE, "quantity": 3}],
        expand=["latest_invoice.payments"],
    )
    assert made.status == "active"
    assert isinstance(made.latest_invoice, stripe.Invoice)
    assert (made.latest_invoice.status, made.latest_invoice.amount_paid) == ("paid", 2100)
    assert [charge["amount"] for charge in world.effects()] == [2100]
    [item] = made["items"]["data"]
    assert item["current_period_end"] > item["current_period_start"] == made.created
    assert (item["price"]["id"], item["quantity"]) == (PRICE, 3)


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        ("declined:insufficient_funds", "card_declined"),
        ("authentication_required", "subscription_payment_intent_requires_action"),
    ],
)
def test_error_if_incomplete_leaves_nothing_behind(outcome: str, code: str) -> None:
    world = shop()
    world.set_outcome(CARD, outcome)
    with pytest.raises(stripe.CardError) as raised:
        subscribe(world, payment_behavior="error_if_incomplete")
    assert raised.value.code == code
    for kind in ("subscription", "subscription_item", "invoice", "payment_intent", "charge"):
        assert world.objects(kind) == []


def test_allow_incomplete_succeeds_although_the_payment_did_not() -> None:
    world = shop()
    world.set_outcome(CARD, "declined")
    made = subscribe(world)
    assert made.status == "incomplete"
    assert world.effects() == []
    [payment] = world.objects("invoice_payment")
    world.complete_action(payment["payment"]["payment_intent"])
    assert world.get(made.id)["status"] == "active"


def test_default_incomplete_waits_for_the_customer() -> None:
    world = shop()
    made = subscribe(
        world,
        payment_behavior="default_incomplete",
        expand=["latest_invoice.confirmation_secret"],
    )
    assert made.status == "incomplete"
    assert isinstance(made.latest_invoice, stripe.Invoice)
    assert made.latest_invoice.confirmation_secret is not None
    intent = made.latest_invoice.confirmation_secret.client_secret.partition("_secret_")[0]
    client_of(world).v1.payment_intents.confirm(intent, {"payment_method": CARD})
    assert world.get(made.id)["status"] == "active"
    assert len(world.effects()) == 1


def test_an_incomplete_one_can_be_paid_for_23_hours_and_then_never() -> None:
    world = shop()
    made = subscribe(world, payment_behavior="default_incomplete")
    world.advance(23 * HOUR - 1)
    assert world.get(made.id)["status"] == "incomplete"
    world.advance(1)
    assert world.get(made.id)["status"] == "incomplete_expired"
    [invoice] = world.objects("invoice")
    assert invoice["status"] == "void"
    [payment] = world.objects("invoice_payment")
    with pytest.raises(ValueError, match="cannot pay"):
        world.complete_action(payment["payment"]["payment_intent"])


def test_without_a_payment_method_it_is_refused() -> None:
    world = shop()
    world.add_customer("cus_poor")
    with pytest.raises(stripe.InvalidRequestError, match="no attached payment source") as raised:
        subscribe(world, customer="cus_poor")
    assert raised.value.code == "resource_missing"
    assert subscribe(world, customer="cus_poor", trial_period_days=7).status == "trialing"


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"items": [{"price": "price_once"}]}, "items[0][price]"),
        ({"items": [{"price": "price_none"}]}, "items[0][price]"),
        ({"items": [{"quantity": 1}]}, "items[0][price]"),
        ({"items": []}, "items"),
        ({"default_payment_method": "pm_loose"}, "default_payment_method"),
        ({"payment_behavior": "pending_if_incomplete"}, "payment_behavior"),
        ({"currency": "eur"}, "currency"),
        ({"collection_method": "send_invoice"}, "days_until_due"),
        ({"discounts": [{"coupon": "x"}]}, "discounts"),
    ],
)
def test_a_wrong_subscription_is_refused(wrong: dict[str, Any], param: str) -> None:
    world = shop()
    world.add_price("price_once")
    world.add_payment_method("pm_loose")
    with pytest.raises(stripe.InvalidRequestError) as raised:
        subscribe(world, **wrong)
    assert raised.value.param == param
    assert world.objects("subscription") == []


def test_a_bank_that_takes_its_time_makes_it_active() -> None:
    world = shop()
    bank = world.add_payment_method(customer=CUSTOMER, outcome="processing")
    made = subscribe(world, default_payment_method=bank)
    assert made.status == "active"
    assert world.effects() == []


def test_the_next_month_is_billed_by_itself() -> None:
    world = shop()
    made = subscribe(world)
    world.advance(31 * DAY)
    assert [charge["amount"] for charge in world.effects()] == [700, 700]
    renewed = world.get(made.id)
    assert renewed["status"] == "active"
    assert world.get(renewed["latest_invoice"])["billing_reason"] == "subscription_cycle"


def test_a_failed_renewal_is_past_due_until_a_retry_succeeds() -> None:
    world = shop()
    made = subscribe(world)
    world.set_outcome(CARD, "declined")
    world.advance(31 * DAY)
    assert world.get(made.id)["status"] == "past_due"
    world.set_outcome(CARD, "succeeds")
    world.advance(3 * DAY)
    assert world.get(made.id)["status"] == "active"
    assert len(world.effects()) == 2


def test_a_trial_is_free_until_it_ends() -> None:
    world = shop()
    made = subscribe(world, trial_period_days=14)
    assert made.status == "trialing"
    assert world.effects() == []
    world.advance(14 * DAY)
    assert world.get(made.id)["status"] == "active"
    assert [charge["amount"] for charge in world.effects()] == [700]


def test_a_canceled_one_bills_no_more() -> None:
    world = shop()
    client = client_of(world)
    made = subscribe(world)
    canceled = client.v1.subscriptions.cancel(
        made.id, {"cancellation_details": {"comment": "enough"}}
    )
    assert canceled.status == "canceled"
    assert canceled.cancellation_details is not None
    assert canceled.cancellation_details.comment == "enough"
    world.advance(60 * DAY)
    assert len(world.effects()) == 1
    with pytest.raises(stripe.InvalidRequestError) as raised:
        client.v1.subscriptions.cancel(made.id)
    assert raised.value.http_status == 404
    assert client.v1.subscriptions.list().data == []
    assert [s.id for s in client.v1.subscriptions.list({"status": "all"}).data] == [made.id]


def test_of_a_canceled_one_only_words_can_be_changed() -> None:
    world = shop()
    client = client_of(world)
    made = subscribe(world)
    client.v1.subscriptions.cancel(made.id)
    with pytest.raises(stripe.InvalidRequestError) as raised:
        client.v1.subscriptions.update(made.id, {"cancel_at_period_end": True})
    assert raised.value.http_status == 400
    assert raised.value.code == "invalid_canceled_subscription_fields"
    words: Any = {"metadata": {"a": "b"}, "cancellation_details": {"feedback": "unused"}}
    changed = client.v1.subscriptions.update(made.id, words).to_dict()
    assert (changed["status"], changed["metadata"]) == ("canceled", {"a": "b"})
    assert changed["cancellation_details"]["feedback"] == "unused"


def test_it_can_end_with_its_period() -> None:
    world = shop()
    client = client_of(world)
    made = subscribe(world)
    client.v1.subscriptions.update(made.id, {"cancel_at_period_end": True})
    world.advance(31 * DAY)
    assert world.get(made.id)["status"] == "canceled"
    assert len(world.effects()) == 1


def test_it_ends_with_its_customer() -> None:
    world = shop()
    made = subscribe(world)
    client_of(world).v1.customers.delete(CUSTOMER)
    assert world.get(made.id)["status"] == "canceled"


def test_pending_items_come_onto_its_first_invoice() -> None:
    world = shop()
    client = client_of(world)
    client.v1.invoice_items.create({"customer": CUSTOMER, "amount": 300, "currency": "usd"})
    subscribe(world)
    assert [charge["amount"] for charge in world.effects()] == [1000]


def test_a_sent_invoice_activates_at_once() -> None:
    world = shop()
    made = subscribe(world, collection_method="send_invoice", days_until_due=10)
    assert made.status == "active"
    world.advance(2 * HOUR)
    [invoice] = world.objects("invoice")
    assert (invoice["status"], invoice["amount_due"]) == ("open", 700)
    assert world.effects() == []


def test_its_items_can_be_listed_and_its_price_expanded() -> None:
    world = shop()
    client = client_of(world)
    made = subscribe(world)
    [item] = client.v1.subscription_items.list({"subscription": made.id}).data
    assert client.v1.subscription_items.retrieve(item.id).price.id == PRICE
    [found] = client.v1.subscriptions.list(
        {"price": PRICE, "expand": ["data.items.data.price.product"]}
    ).data
    assert found["items"]["data"][0]["price"]["product"]["object"] == "product"
    details = client.v1.invoices.list({"subscription": made.id}).data[0].parent
    assert details is not None
    assert details.subscription_details is not None
    assert details.subscription_details.subscription == made.id
