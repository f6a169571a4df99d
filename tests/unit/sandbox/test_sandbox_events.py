"""Everything that happens is told by events: their types, their order, what was before."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from stripe_billing_router.sandbox import World
from tests.unit.sandbox.sandbox_helpers import CARD, CUSTOMER, client_of, new_world, payment

PAGE = {"success_url": "https://x.example/"}


class Story:
    """A world, and what its events tell since the story began."""

    def __init__(self) -> None:
        self.world: World = new_world()
        self.client = client_of(self.world)
        self.world.add_price("price_once", unit_amount=500)
        self.world.add_price("price_monthly", unit_amount=700, interval="month")
        self._told = len(self.world.objects("event"))

    def events(self) -> list[dict[str, Any]]:
        """The events since the last look."""
        events = self.world.objects("event")
        new, self._told = events[self._told :], len(events)
        return new

    def types(self) -> list[str]:
        return [event["type"] for event in self.events()]

    def paid(self, **changes: Any) -> stripe.PaymentIntent:
        """A payment that is collected; its own events are not looked at."""
        intent = self.client.v1.payment_intents.create(payment(**changes))
        self.events()
        return intent

    def method(self, outcome: str) -> str:
        method = self.world.add_payment_method(customer=CUSTOMER, outcome=outcome)
        self.events()
        return method


@pytest.fixture
def story() -> Story:
    return Story()


def was(event: dict[str, Any]) -> Any:
    return event["data"]["previous_attributes"]


def test_a_payment(story: Story) -> None:
    story.client.v1.payment_intents.create(payment())
    created, charged, succeeded, booked = story.events()
    assert created["type"] == "payment_intent.created"
    assert (charged["type"], charged["data"]["object"]["captured"]) == ("charge.succeeded", True)
    assert succeeded["type"] == "payment_intent.succeeded"
    assert (booked["type"], was(booked)) == ("charge.updated", {"balance_transaction": None})


def test_a_declined_payment(story: Story) -> None:
    card = story.method("declined:insufficient_funds")
    with pytest.raises(stripe.CardError):
        story.client.v1.payment_intents.create(payment(payment_method=card))
    created, failed, refused = story.events()
    assert created["type"] == "payment_intent.created"
    assert (failed["type"], failed["data"]["object"]["status"]) == ("charge.failed", "failed")
    assert refused["type"] == "payment_intent.payment_failed"
    assert refused["data"]["object"]["status"] == "requires_payment_method"


@pytest.mark.parametrize(
    ("succeeds", "told"),
    [
        (True, ["charge.succeeded", "payment_intent.succeeded"]),
        (False, ["charge.failed", "payment_intent.payment_failed"]),
    ],
    ids=["paid", "bounced"],
)
def test_a_bank_debit_that_ends_days_later(story: Story, succeeds: bool, told: list[str]) -> None:
    intent = story.client.v1.payment_intents.create(
        payment(payment_method=story.method("processing"))
    )
    assert story.types()[-2:] == ["charge.pending", "payment_intent.processing"]
    story.world.advance(4 * 86_400)
    story.world.settle_processing(intent.id, succeeds)
    events = story.events()
    assert [event["type"] for event in events][:2] == told
    assert events[0]["created"] - intent.created == 4 * 86_400
    assert events[0]["request"] == {"id": None, "idempotency_key": None}


def test_a_payment_that_its_customer_authenticates(story: Story) -> None:
    card = story.method("authentication_required")
    intent = story.client.v1.payment_intents.create(payment(payment_method=card, off_session=None))
    assert story.types() == ["payment_intent.created", "payment_intent.requires_action"]
    story.world.complete_action(intent.id)
    assert story.types()[:2] == ["charge.succeeded", "payment_intent.succeeded"]


def test_a_canceled_payment(story: Story) -> None:
    intent = story.client.v1.payment_intents.create(payment(confirm=None, off_session=None))
    story.client.v1.payment_intents.cancel(intent.id)
    assert story.types() == ["payment_intent.created", "payment_intent.canceled"]


@pytest.mark.parametrize("by", ["request", "dashboard"])
def test_a_refund(story: Story, by: str) -> None:
    intent = story.paid()
    if by == "request":
        story.client.v1.refunds.create({"payment_intent": intent.id, "amount": 500})
    else:
        story.world.refund_in_dashboard(intent.id, amount=500)
    created, refunded = story.events()
    assert (created["type"], created["data"]["object"]["amount"]) == ("refund.created", 500)
    assert refunded["type"] == "charge.refunded"
    assert was(refunded) == {"amount_refunded": 0}
    assert (created["request"]["id"] is None) == (by == "dashboard")


def test_the_rest_of_a_charge_is_refunded_in_the_dashboard(story: Story) -> None:
    intent = story.paid()
    story.world.refund_in_dashboard(intent.id, amount=500)
    story.events()
    refund = story.world.refund_in_dashboard(str(intent.latest_charge))
    assert story.world.get(refund)["amount"] == 1499
    assert was(story.events()[-1]) == {"amount_refunded": 500, "refunded": False}


def test_a_refund_that_the_bank_confirms_or_sends_back(story: Story) -> None:
    refund = story.world.refund_in_dashboard(story.paid().id)
    story.events()
    story.world.settle_refund(refund)
    assert story.types() == ["refund.updated", "charge.refund.updated"]
    story.world.fail_refund(refund)
    updated, charges, failed = story.events()
    assert was(updated)["status"] == was(charges)["status"] == "succeeded"
    assert was(updated)["failure_reason"] is None
    assert (failed["type"], failed["data"]["object"]["status"]) == ("refund.failed", "failed")
    with pytest.raises(ValueError, match="failed"):
        story.world.settle_refund(refund)


@pytest.mark.parametrize(
    ("won", "told"),
    [
        (True, ["charge.dispute.funds_reinstated", "charge.dispute.closed"]),
        (False, ["charge.dispute.closed"]),
    ],
    ids=["won", "lost"],
)
def test_a_dispute(story: Story, won: bool, told: list[str]) -> None:
    dispute = story.world.open_dispute(str(story.paid().latest_charge))
    assert story.types() == ["charge.dispute.created", "charge.dispute.funds_withdrawn"]
    story.world.answer_dispute(dispute)
    [answered] = story.events()
    assert answered["type"] == "charge.dispute.updated"
    assert was(answered)["status"] == "needs_response"
    story.world.close_dispute(dispute, won=won)
    events = story.events()
    assert [event["type"] for event in events] == told
    assert events[-1]["data"]["object"]["status"] == ("won" if won else "lost")
    with pytest.raises(ValueError, match="already"):
        story.world.answer_dispute(dispute)


def test_an_invoice(story: Story) -> None:
    invoices = story.client.v1.invoices
    draft = invoices.create({"customer": CUSTOMER})
    story.client.v1.invoice_items.create(
        {"customer": CUSTOMER, "invoice": draft.id, "pricing": {"price": "price_once"}}
    )
    story.events()
    invoices.finalize_invoice(draft.id)
    created, finalized, updated = story.events()
    assert created["type"] == "payment_intent.created"
    assert finalized["type"] == "invoice.finalized"
    assert (was(updated)["status"], was(updated)["number"]) == ("draft", None)
    invoices.pay(draft.id)
    assert story.types() == [
        "charge.succeeded",
        "payment_intent.succeeded",
        "invoice_payment.paid",
        "invoice.updated",
        "invoice.paid",
        "invoice.payment_succeeded",
    ]


def test_an_invoice_that_is_not_paid_and_voided(story: Story) -> None:
    story.world.set_outcome(CARD, "declined")
    draft = story.client.v1.invoices.create({"customer": CUSTOMER})
    story.client.v1.invoice_items.create(
        {"customer": CUSTOMER, "invoice": draft.id, "pricing": {"price": "price_once"}}
    )
    story.client.v1.invoices.finalize_invoice(draft.id)
    story.events()
    with pytest.raises(stripe.CardError):
        story.client.v1.invoices.pay(draft.id)
    *_, updated, failed = story.events()
    assert was(updated) == {"attempt_count": 0, "attempted": False}
    assert failed["type"] == "invoice.payment_failed"
    story.world.void_in_dashboard(draft.id)
    canceled, changed, voided = story.events()
    assert canceled["type"] == "payment_intent.canceled"
    assert was(changed) == {
        "status": "open",
        "status_transitions": {"voided_at": None},
    }
    assert voided["type"] == "invoice.voided"


def test_a_subscription_and_its_renewal(story: Story) -> None:
    subscriptions = story.client.v1.subscriptions
    made = subscriptions.create({"customer": CUSTOMER, "items": [{"price": "price_monthly"}]})
    types = story.types()
    assert types[:2] == ["customer.subscription.created", "invoice.created"]
    assert {"invoice.paid", "customer.subscription.updated"} <= set(types)
    story.world.advance(32 * 86_400)
    renewal = story.events()
    [updated] = [e for e in renewal if e["type"] == "customer.subscription.updated"]
    assert was(updated)["latest_invoice"] == made.latest_invoice
    assert was(updated)["items"]["data"][0]["current_period_end"] < story.world.clock.now()
    [paid] = [e for e in renewal if e["type"] == "invoice.paid"]
    assert paid["data"]["object"]["billing_reason"] == "subscription_cycle"
    story.world.cancel_in_dashboard(made.id)
    assert story.types() == ["customer.subscription.deleted"]


def test_a_renewal_that_is_not_paid(story: Story) -> None:
    story.client.v1.subscriptions.create(
        {"customer": CUSTOMER, "items": [{"price": "price_monthly"}]}
    )
    story.world.set_outcome(CARD, "declined")
    story.events()
    story.world.advance(32 * 86_400)
    renewal = story.events()
    assert "invoice.payment_failed" in [event["type"] for event in renewal]
    assert (renewal[-1]["type"], was(renewal[-1])) == (
        "customer.subscription.updated",
        {"status": "active"},
    )


@pytest.mark.parametrize(
    ("card", "succeeds", "told"),
    [
        ("pm_card_visa", None, None),
        ("pm_usBankAccount", True, "checkout.session.async_payment_succeeded"),
        ("pm_usBankAccount", False, "checkout.session.async_payment_failed"),
    ],
    ids=["card", "bank", "bounced"],
)
def test_a_checkout_session(
    story: Story, card: str, succeeds: bool | None, told: str | None
) -> None:
    asked: Any = {"mode": "payment", "line_items": [{"price": "price_once", "quantity": 1}], **PAGE}
    session = story.client.v1.checkout.sessions.create(asked)
    assert story.types() == []
    story.world.complete_checkout(session.id, payment_method=card)
    completed = story.events()[-1]
    assert completed["type"] == "checkout.session.completed"
    assert completed["data"]["object"]["payment_status"] == ("unpaid" if told else "paid")
    if succeeds is not None:
        intent = completed["data"]["object"]["payment_intent"]
        story.world.settle_processing(intent, succeeds)
        assert told in story.types()


def test_a_checkout_session_that_expires(story: Story) -> None:
    asked: Any = {"mode": "payment", "line_items": [{"price": "price_once", "quantity": 1}], **PAGE}
    story.client.v1.checkout.sessions.create(asked)
    story.world.advance(86_400)
    assert story.types() == ["checkout.session.expired"]


def test_a_customer_and_their_card(story: Story) -> None:
    story.world.add_customer("cus_two", default_payment_method="pm_two")
    created, attached, updated = story.events()
    assert created["type"] == "customer.created"
    assert created["data"]["object"]["invoice_settings"]["default_payment_method"] is None
    assert (attached["type"], attached["data"]["object"]["customer"]) == (
        "payment_method.attached",
        "cus_two",
    )
    assert was(updated) == {"invoice_settings": {"default_payment_method": None}}


def test_an_event_tells_only_what_changed(story: Story) -> None:
    story.client.v1.customers.update(CUSTOMER, {"metadata": {"a": "1"}})
    story.client.v1.customers.update(CUSTOMER, {"metadata": {"a": "2", "b": "3"}})
    story.client.v1.customers.update(CUSTOMER, {"metadata": {"a": "2"}})
    first, second = story.events()
    assert was(first) == {"metadata": {"a": None}}
    assert was(second) == {"metadata": {"a": "1", "b": None}}
