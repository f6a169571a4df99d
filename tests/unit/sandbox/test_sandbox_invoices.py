"""Invoices: what they add up to, who pays them, and what never collects later."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import stripe

from stripe_billing_router.sandbox import World
from tests.unit.sandbox.sandbox_helpers import CARD, CUSTOMER, client_of, error_of, new_world

PRICE = "price_widget"
DAY = 86_400


def shop(**settings: Any) -> World:
    """A world that sells widgets at 5.00 usd."""
    world = new_world(**settings)
    world.add_price(PRICE, product="prod_widget", unit_amount=500)
    return world


def draft(client: stripe.StripeClient, quantity: int = 2, **params: Any) -> stripe.Invoice:
    """Make a draft over some widgets and return it as it is afterwards."""
    asked: Any = {"customer": CUSTOMER, **params}
    invoice = client.v1.invoices.create(asked)
    client.v1.invoice_items.create(
        {
            "customer": CUSTOMER,
            "invoice": invoice.id,
            "pricing": {"price": PRICE},
            "quantity": quantity,
        }
    )
    return client.v1.invoices.retrieve(invoice.id)


def test_a_price_times_a_quantity_is_billed_and_paid() -> None:
    world = shop()
    client = client_of(world)
    invoice = draft(client, 3)
    assert (invoice.status, invoice.total, invoice.amount_due) == ("draft", 1500, 1500)
    opened = client.v1.invoices.finalize_invoice(invoice.id)
    assert (opened.status, opened.amount_remaining) == ("open", 1500)
    paid = client.v1.invoices.pay(invoice.id, {"expand": ["payments"]})
    assert (paid.status, paid.amount_paid, paid.amount_remaining) == ("paid", 1500, 0)
    assert paid.payments is not None
    [payment] = paid.payments.data
    assert (payment.status, payment.amount_paid) == ("paid", 1500)
    [charge] = world.effects()
    assert charge["payment_intent"] == payment.payment.payment_intent
    assert charge["amount"] == 1500


def test_a_new_invoice_leaves_pending_items_alone() -> None:
    client = client_of(shop())
    item = client.v1.invoice_items.create({"customer": CUSTOMER, "pricing": {"price": PRICE}})
    empty = client.v1.invoices.create({"customer": CUSTOMER})
    assert (empty.total, empty.lines.data) == (0, [])
    full = client.v1.invoices.create(
        {"customer": CUSTOMER, "pending_invoice_items_behavior": "include"}
    )
    assert full.total == 500
    assert client.v1.invoice_items.retrieve(item.id).invoice == full.id
    assert client.v1.invoice_items.list({"pending": True}).data == []


def test_a_line_says_which_price_and_item_it_comes_from() -> None:
    client = client_of(shop())
    [line] = draft(client).lines.data
    assert line.pricing is not None
    assert line.pricing.price_details is not None
    assert line.pricing.price_details.price == PRICE
    assert (line.quantity, line.amount, str(line.pricing.unit_amount_decimal)) == (2, 1000, "500")
    [item] = client.v1.invoice_items.list({"customer": CUSTOMER}).data
    assert line.parent is not None
    assert line.parent.invoice_item_details is not None
    assert line.parent.invoice_item_details.invoice_item == item.id


def test_a_declined_invoice_stays_open_until_it_is_voided() -> None:
    world = shop()
    client = client_of(world)
    world.set_outcome(CARD, "declined:insufficient_funds")
    invoice = client.v1.invoices.finalize_invoice(draft(client).id)
    with pytest.raises(stripe.CardError) as raised:
        client.v1.invoices.pay(invoice.id)
    assert raised.value.code == "card_declined"
    left = client.v1.invoices.retrieve(invoice.id)
    assert (left.status, left.attempted, left.attempt_count) == ("open", True, 1)

    payment_intent = error_of(raised.value)["payment_intent"]["id"]
    with pytest.raises(stripe.InvalidRequestError, match="void"):
        client.v1.payment_intents.cancel(payment_intent)
    assert client.v1.invoices.void_invoice(invoice.id).status == "void"
    assert world.get(payment_intent)["status"] == "canceled"
    with pytest.raises(ValueError, match="cannot pay"):
        world.complete_action(payment_intent)
    with pytest.raises(stripe.InvalidRequestError, match="void"):
        client.v1.invoices.pay(invoice.id)
    assert world.effects() == []


def test_the_customer_can_pay_a_declined_invoice_later() -> None:
    world = shop()
    client = client_of(world)
    world.set_outcome(CARD, "declined")
    invoice = client.v1.invoices.finalize_invoice(draft(client).id)
    with pytest.raises(stripe.CardError) as raised:
        client.v1.invoices.pay(invoice.id)
    world.complete_action(error_of(raised.value)["payment_intent"]["id"])
    assert world.get(invoice.id)["status"] == "paid"


def test_an_invoice_that_needs_its_customer_says_so() -> None:
    world = shop()
    client = client_of(world)
    world.set_outcome(CARD, "authentication_required")
    invoice = client.v1.invoices.finalize_invoice(draft(client).id)
    with pytest.raises(stripe.CardError) as raised:
        client.v1.invoices.pay(invoice.id)
    assert raised.value.code == "invoice_payment_intent_requires_action"
    intent = error_of(raised.value)["payment_intent"]
    assert intent["status"] == "requires_action"
    world.complete_action(intent["id"])
    assert world.get(invoice.id)["status"] == "paid"


def test_an_invoice_is_open_while_its_bank_takes_its_time() -> None:
    world = shop()
    client = client_of(world)
    bank = world.add_payment_method(customer=CUSTOMER, outcome="processing")
    invoice = client.v1.invoices.finalize_invoice(draft(client).id)
    assert client.v1.invoices.pay(invoice.id, {"payment_method": bank}).status == "open"
    with pytest.raises(stripe.InvalidRequestError, match="processed already"):
        client.v1.invoices.pay(invoice.id)
    with pytest.raises(stripe.InvalidRequestError, match="processing"):
        client.v1.invoices.void_invoice(invoice.id)
    [payment] = client.v1.invoice_payments.list({"invoice": invoice.id}).data
    world.settle_processing(str(payment.payment.payment_intent))
    assert world.get(invoice.id)["status"] == "paid"


def test_without_a_payment_method_nothing_is_tried() -> None:
    world = shop()
    world.add_customer("cus_poor")
    client = client_of(world)
    invoice = client.v1.invoices.create({"customer": "cus_poor"})
    client.v1.invoice_items.create(
        {"customer": "cus_poor", "invoice": invoice.id, "pricing": {"price": PRICE}}
    )
    client.v1.invoices.finalize_invoice(invoice.id)
    with pytest.raises(stripe.InvalidRequestError, match="no attached payment source"):
        client.v1.invoices.pay(invoice.id)
    assert client.v1.invoices.pay(invoice.id, {"paid_out_of_band": True}).status == "paid"
    assert world.effects() == []


def test_only_drafts_can_be_deleted_and_their_items_become_pending_again() -> None:
    client = client_of(shop())
    invoice = draft(client)
    deleted = client.v1.invoices.delete(invoice.id)
    assert deleted.deleted
    with pytest.raises(stripe.InvalidRequestError, match="No such invoice"):
        client.v1.invoices.retrieve(invoice.id)
    [item] = client.v1.invoice_items.list({"pending": True}).data
    assert client.v1.invoice_items.delete(item.id).deleted
    opened = client.v1.invoices.finalize_invoice(draft(client).id)
    with pytest.raises(stripe.InvalidRequestError, match="draft"):
        client.v1.invoices.delete(opened.id)


def test_a_draft_cannot_be_voided_or_paid() -> None:
    client = client_of(shop())
    invoice = draft(client)
    with pytest.raises(stripe.InvalidRequestError, match="draft"):
        client.v1.invoices.void_invoice(invoice.id)
    with pytest.raises(stripe.InvalidRequestError, match="draft"):
        client.v1.invoices.pay(invoice.id)


def test_an_open_invoice_takes_no_more_items() -> None:
    client = client_of(shop())
    invoice = client.v1.invoices.finalize_invoice(draft(client).id)
    [item] = client.v1.invoice_items.list({"customer": CUSTOMER}).data
    calls: list[Callable[[], object]] = [
        lambda: client.v1.invoice_items.create(
            {"customer": CUSTOMER, "invoice": invoice.id, "amount": 5, "currency": "usd"}
        ),
        lambda: client.v1.invoice_items.delete(item.id),
        lambda: client.v1.invoice_items.update(item.id, {"quantity": 9}),
    ]
    for call in calls:
        with pytest.raises(stripe.InvalidRequestError) as raised:
            call()
        assert raised.value.code == "invoice_not_editable"


def test_items_of_a_draft_can_change() -> None:
    client = client_of(shop())
    invoice = draft(client, 1)
    [item] = client.v1.invoice_items.list({"invoice": invoice.id}).data
    client.v1.invoice_items.update(item.id, {"quantity": 4})
    assert client.v1.invoices.retrieve(invoice.id).total == 2000
    client.v1.invoice_items.update(item.id, {"amount": 70, "quantity": 1, "description": "less"})
    assert client.v1.invoices.retrieve(invoice.id).total == 70
    client.v1.invoice_items.delete(item.id)
    assert client.v1.invoices.retrieve(invoice.id).total == 0


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"price": PRICE}, "price"),
        ({}, "pricing"),
        ({"pricing": {"price": "price_none"}}, "pricing[price]"),
        ({"pricing": {"price": "price_monthly"}}, "pricing[price]"),
        ({"pricing": {"price": "price_old"}}, "pricing[price]"),
        ({"pricing": {"price": PRICE}, "currency": "eur"}, "pricing[price]"),
        ({"pricing": {"price": PRICE}, "quantity": -1}, "quantity"),
        ({"pricing": {"price": PRICE}, "discounts": [{"coupon": "x"}]}, "discounts"),
    ],
)
def test_a_wrong_item_is_refused(wrong: dict[str, Any], param: str) -> None:
    world = shop()
    world.add_price("price_monthly", interval="month")
    world.add_price("price_old")
    client = client_of(world)
    client.v1.prices.update("price_old", {"active": False})
    params: Any = {"customer": CUSTOMER, **wrong}
    with pytest.raises(stripe.InvalidRequestError) as raised:
        client.v1.invoice_items.create(params)
    assert raised.value.param == param


def test_a_price_can_have_amounts_in_other_currencies() -> None:
    world = shop()
    world.add_price("price_both", unit_amount=500, currency_options={"eur": 450})
    client = client_of(world)
    price = client.v1.prices.retrieve("price_both", {"expand": ["currency_options"]})
    assert price.currency_options is not None
    assert price.currency_options["eur"].unit_amount == 450
    invoice = client.v1.invoices.create({"customer": CUSTOMER, "currency": "eur"})
    client.v1.invoice_items.create(
        {"customer": CUSTOMER, "invoice": invoice.id, "pricing": {"price": "price_both"}}
    )
    assert client.v1.invoices.retrieve(invoice.id).total == 450


def test_less_than_the_minimum_is_carried_to_the_next_invoice() -> None:
    world = shop()
    world.add_price("price_small", unit_amount=20)
    client = client_of(world)
    small = client.v1.invoices.create({"customer": CUSTOMER})
    client.v1.invoice_items.create(
        {"customer": CUSTOMER, "invoice": small.id, "pricing": {"price": "price_small"}}
    )
    closed = client.v1.invoices.finalize_invoice(small.id)
    assert (closed.status, closed.amount_paid, closed.ending_balance) == ("paid", 0, 20)
    assert world.get(CUSTOMER)["balance"] == 20
    following = client.v1.invoices.finalize_invoice(draft(client, 1).id)
    assert (following.starting_balance, following.amount_due) == (20, 520)
    assert world.effects() == []


@pytest.mark.parametrize("balance", [-300, 200])
def test_a_voided_invoice_gives_the_balance_back_that_it_took(balance: int) -> None:
    world = shop()
    client = client_of(world)
    client.v1.customers.update(CUSTOMER, {"balance": balance})
    opened = client.v1.invoices.finalize_invoice(draft(client).id)
    assert (opened.amount_due, world.get(CUSTOMER)["balance"]) == (1000 + balance, 0)
    client.v1.customers.update(CUSTOMER, {"balance": -7})
    client.v1.invoices.mark_uncollectible(opened.id)
    client.v1.invoices.void_invoice(opened.id)
    assert world.get(CUSTOMER)["balance"] == balance - 7
    told = [e for e in world.objects("event") if e["type"] == "customer.updated"][-1]
    assert told["data"]["previous_attributes"] == {"balance": -7}


def test_the_invoice_of_a_customer_who_is_gone_can_be_voided() -> None:
    world = shop()
    client = client_of(world)
    opened = client.v1.invoices.finalize_invoice(draft(client).id)
    client.v1.customers.delete(CUSTOMER)
    assert client.v1.invoices.void_invoice(opened.id).status == "void"


def test_an_empty_invoice_is_paid_when_it_is_finalized() -> None:
    world = shop()
    client = client_of(world)
    invoice = client.v1.invoices.create({"customer": CUSTOMER})
    assert client.v1.invoices.finalize_invoice(invoice.id).status == "paid"
    assert world.effects() == []


@pytest.mark.parametrize("advances", [False, True])
def test_only_an_invoice_that_advances_by_itself_is_collected_by_time(advances: bool) -> None:
    world = shop()
    client = client_of(world)
    invoice = draft(client, auto_advance=advances)
    world.advance(3600)
    world.advance(3600)
    assert world.get(invoice.id)["status"] == ("paid" if advances else "draft")
    assert len(world.effects()) == int(advances)


def test_a_declined_invoice_that_advances_is_tried_again() -> None:
    world = shop()
    client = client_of(world)
    world.set_outcome(CARD, "declined")
    invoice = draft(client, auto_advance=True)
    client.v1.invoices.finalize_invoice(invoice.id)
    with pytest.raises(stripe.CardError):
        client.v1.invoices.pay(invoice.id)
    world.set_outcome(CARD, "succeeds")
    world.advance(2 * DAY)
    assert world.effects() == []
    world.advance(2 * DAY)
    assert world.get(invoice.id)["status"] == "paid"


def test_nothing_of_a_deleted_customer_is_collected_by_time() -> None:
    world = shop()
    client = client_of(world)
    invoice = draft(client, auto_advance=True)
    client.v1.customers.delete(CUSTOMER)
    world.advance(2 * DAY)
    assert world.get(invoice.id)["status"] == "draft"


def test_an_uncollectible_invoice_can_still_be_paid() -> None:
    client = client_of(shop())
    invoice = client.v1.invoices.finalize_invoice(draft(client).id)
    assert client.v1.invoices.mark_uncollectible(invoice.id).status == "uncollectible"
    assert client.v1.invoices.pay(invoice.id).status == "paid"


def test_an_open_invoice_changes_only_how_it_is_collected() -> None:
    client = client_of(shop())
    invoice = draft(client)
    assert client.v1.invoices.update(invoice.id, {"description": "a"}).description == "a"
    client.v1.invoices.finalize_invoice(invoice.id)
    updated = client.v1.invoices.update(invoice.id, {"metadata": {"k": "v"}})
    assert updated.metadata is not None
    assert updated.metadata["k"] == "v"
    with pytest.raises(stripe.InvalidRequestError) as raised:
        client.v1.invoices.update(invoice.id, {"description": "b"})
    assert raised.value.code == "invoice_not_editable"


def test_invoices_and_their_payments_can_be_found() -> None:
    world = shop()
    client = client_of(world)
    paid = draft(client)
    client.v1.invoices.finalize_invoice(paid.id)
    client.v1.invoices.pay(paid.id)
    open_ = draft(client)
    assert [i.id for i in client.v1.invoices.list({"status": "draft"}).data] == [open_.id]
    [payment] = client.v1.invoice_payments.list({"status": "paid"}).data
    intent = str(payment.payment.payment_intent)
    again = client.v1.invoice_payments.list(
        {"payment": {"type": "payment_intent", "payment_intent": intent}}
    )
    assert [p.invoice for p in again.data] == [paid.id]
    assert client.v1.invoice_payments.retrieve(payment.id).id == payment.id
    assert len(client.v1.invoices.line_items.list(paid.id).data) == 1
    events = client.v1.events.list({"type": "invoice.*", "limit": 50}).data
    assert {e.type for e in events} >= {"invoice.created", "invoice.finalized", "invoice.paid"}


def test_what_is_not_modelled_is_refused_rather_than_ignored() -> None:
    client = client_of(shop())
    for extra in (
        {"discounts": [{"coupon": "x"}]},
        {"automatic_tax": {"enabled": True}},
        {"default_tax_rates": ["txr_1"]},
        {"collection_method": "send_invoice"},
    ):
        with pytest.raises(stripe.InvalidRequestError):
            draft(client, **extra)
    assert draft(client, discounts="").total == 1000
