"""Customers, products, refunds, disputes, Checkout, setup intents and webhooks."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from stripe_billing_router.sandbox import World
from tests.unit.sandbox.sandbox_helpers import (
    CARD,
    CUSTOMER,
    client_of,
    error_of,
    new_world,
    payment,
)

DAY = 86_400
PAGE = {"success_url": "https://x.example/"}


def paid(world: World, **changes: Any) -> stripe.PaymentIntent:
    """A payment that was collected."""
    return client_of(world).v1.payment_intents.create(payment(**changes))


# -- refunds ------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["payment_intent", "charge"])
def test_a_payment_can_be_given_back_in_parts_until_nothing_is_left(by: Any) -> None:
    world = new_world()
    client = client_of(world)
    intent = paid(world)
    target = intent.id if by == "payment_intent" else str(intent.latest_charge)
    part: Any = {by: target, "amount": 1000, "reason": "duplicate"}
    refund = client.v1.refunds.create(part)
    assert (refund.status, refund.amount, refund.payment_intent) == ("succeeded", 1000, intent.id)
    rest: Any = {by: target}
    assert client.v1.refunds.create(rest).amount == 999
    charge = client.v1.charges.retrieve(str(intent.latest_charge), {"expand": ["refunds"]})
    assert (charge.refunded, charge.amount_refunded) == (True, 1999)
    assert charge.refunds is not None
    assert len(charge.refunds.data) == 2
    with pytest.raises(stripe.InvalidRequestError) as raised:
        client.v1.refunds.create(rest)
    assert raised.value.code == "charge_already_refunded"


def test_a_refund_takes_the_money_out_of_the_balance_but_not_the_fee() -> None:
    world = new_world()
    intent = paid(world, amount=1000)
    client = client_of(world)
    client.v1.refunds.create({"payment_intent": intent.id})
    balance = client.v1.balance.retrieve()
    assert [held.amount for held in balance.pending] == [-59]
    assert [held.amount for held in balance.available] == [0]
    [entry] = client.v1.balance_transactions.list({"type": "refund"}).data
    assert (entry.amount, entry.fee, entry.net) == (-1000, 0, -1000)


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({}, "payment_intent"),
        ({"payment_intent": "ch_charge"}, "payment_intent"),
        ({"charge": "pi_intent"}, "charge"),
    ],
)
def test_a_refund_of_nothing_is_refused(params: Any, param: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as raised:
        client_of(new_world()).v1.refunds.create(params)
    assert raised.value.param == param


def test_a_refund_of_too_much_or_of_what_was_not_paid_is_refused() -> None:
    world = new_world()
    client = client_of(world)
    intent = paid(world)
    with pytest.raises(stripe.InvalidRequestError, match="greater than"):
        client.v1.refunds.create({"payment_intent": intent.id, "amount": 2000})
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.refunds.create({"payment_intent": intent.id, "amount": 0})
    unpaid = client.v1.payment_intents.create(payment(confirm=None, off_session=None))
    with pytest.raises(stripe.InvalidRequestError, match="not have a successful charge"):
        client.v1.refunds.create({"payment_intent": unpaid.id})


def test_a_refund_can_come_back() -> None:
    world = new_world()
    client = client_of(world)
    intent = paid(world)
    refund = client.v1.refunds.create({"payment_intent": intent.id})
    world.fail_refund(refund.id)
    failed = client.v1.refunds.retrieve(refund.id)
    assert (failed.status, failed.failure_reason) == ("failed", "lost_or_stolen_card")
    assert world.get(str(intent.latest_charge))["amount_refunded"] == 0
    with pytest.raises(ValueError, match="failed"):
        world.fail_refund(refund.id)
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.refunds.cancel(refund.id)
    assert client.v1.refunds.create({"payment_intent": intent.id}).status == "succeeded"


# -- disputes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("won", [True, False])
def test_a_dispute_takes_money_and_gives_it_back_only_if_won(won: bool) -> None:
    world = new_world()
    client = client_of(world)
    intent = paid(world, amount=10_000)
    dispute_id = world.open_dispute(str(intent.latest_charge))
    with pytest.raises(stripe.InvalidRequestError) as raised:
        client.v1.refunds.create({"payment_intent": intent.id})
    assert raised.value.code == "charge_disputed"
    assert [held.amount for held in client.v1.balance.retrieve().available] == [-11_500]
    answered = client.v1.disputes.update(dispute_id, {"evidence": {"customer_name": "x"}})
    assert answered.status == "under_review"
    world.close_dispute(dispute_id, won=won)
    assert client.v1.disputes.retrieve(dispute_id).status == ("won" if won else "lost")
    balance = client.v1.balance.retrieve()
    assert [held.amount for held in balance.available] == [-1500 if won else -11_500]
    with pytest.raises(ValueError, match="already"):
        world.close_dispute(dispute_id, won=won)
    with pytest.raises(ValueError, match="disputed"):
        world.open_dispute(str(intent.latest_charge))


def test_a_dispute_can_be_given_up() -> None:
    world = new_world()
    dispute_id = world.open_dispute(str(paid(world).latest_charge), amount=500)
    client = client_of(world)
    assert client.v1.disputes.close(dispute_id).status == "lost"
    with pytest.raises(stripe.InvalidRequestError, match="closed"):
        client.v1.disputes.close(dispute_id)
    assert [d.amount for d in client.v1.disputes.list().data] == [500]


# -- customers and payment methods --------------------------------------------------------------


def test_a_customer_can_be_made_with_a_card_as_default() -> None:
    world = new_world()
    client = client_of(world)
    customer = client.v1.customers.create(
        {
            "email": "new@example.org",
            "payment_method": "pm_card_visa",
            "invoice_settings": {"default_payment_method": "pm_card_visa"},
            "metadata": {"a": "b"},
        }
    )
    assert customer.invoice_settings is not None
    method = str(customer.invoice_settings.default_payment_method)
    assert world.get(method)["customer"] == customer.id


def test_a_default_must_belong_to_the_customer() -> None:
    world = new_world()
    loose = world.add_payment_method()
    settings: Any = {"invoice_settings": {"default_payment_method": loose}}
    client = client_of(world)
    with pytest.raises(stripe.InvalidRequestError, match="must be attached"):
        client.v1.customers.update(CUSTOMER, settings)
    client.v1.payment_methods.attach(loose, {"customer": CUSTOMER})
    updated = client.v1.customers.update(CUSTOMER, settings)
    assert updated.invoice_settings is not None
    assert updated.invoice_settings.default_payment_method == loose


def test_a_deleted_customer_is_gone_for_payments() -> None:
    world = new_world()
    client = client_of(world)
    assert client.v1.customers.delete(CUSTOMER).deleted
    assert client.v1.customers.retrieve(CUSTOMER).deleted
    with pytest.raises(stripe.InvalidRequestError, match="No such customer"):
        client.v1.payment_intents.create(payment())
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.customers.update(CUSTOMER, {"name": "x"})
    assert client.v1.customers.list().data == []


def test_a_detached_card_can_never_be_used_again() -> None:
    world = new_world()
    client = client_of(world)
    client.v1.payment_methods.detach(CARD)
    assert world.get(CUSTOMER)["invoice_settings"]["default_payment_method"] is None
    with pytest.raises(stripe.InvalidRequestError, match="may not be used again"):
        client.v1.payment_intents.create(payment())
    with pytest.raises(stripe.InvalidRequestError, match="may not be used again"):
        client.v1.payment_methods.attach(CARD, {"customer": CUSTOMER})


def test_a_declining_test_card_cannot_be_attached_but_one_of_them_can() -> None:
    client = client_of(new_world())
    with pytest.raises(stripe.CardError):
        client.v1.payment_methods.attach("pm_card_chargeDeclined", {"customer": CUSTOMER})
    kept = client.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": CUSTOMER})
    with pytest.raises(stripe.CardError):
        client.v1.payment_intents.create(payment(payment_method=kept.id))


@pytest.mark.parametrize(
    ("card", "declines"),
    [
        ({"number": "4242424242424242", "exp_month": 4, "exp_year": 2030}, False),
        ({"number": "4000000000009995", "exp_month": 4, "exp_year": 2030}, True),
        ({"token": "tok_visa"}, False),
        ({"token": "tok_chargeDeclined"}, True),
    ],
)
def test_a_card_made_from_a_test_number_or_token_behaves_like_it(card: Any, declines: bool) -> None:
    client = client_of(new_world())
    method = client.v1.payment_methods.create({"type": "card", "card": card})
    try:
        status = client.v1.payment_intents.create(payment(payment_method=method.id)).status
    except stripe.CardError:
        status = "declined"
    assert status == ("declined" if declines else "succeeded")


def test_a_payment_method_can_be_described_in_the_payment() -> None:
    intent = client_of(new_world()).v1.payment_intents.create(
        payment(
            payment_method=None,
            payment_method_data={"type": "us_bank_account", "us_bank_account": {}},
        )
    )
    assert intent.status == "processing"


# -- products and prices ------------------------------------------------------------------------


def test_a_product_can_be_made_with_its_default_price() -> None:
    client = client_of(new_world())
    product = client.v1.products.create(
        {
            "name": "Widget",
            "default_price_data": {"currency": "usd", "unit_amount": 500},
            "expand": ["default_price"],
        }
    )
    assert isinstance(product.default_price, stripe.Price)
    assert product.default_price.product == product.id
    assert client.v1.products.update(product.id, {"active": False}).active is False
    with pytest.raises(stripe.InvalidRequestError, match="prices"):
        client.v1.products.delete(product.id)
    bare = client.v1.products.create({"name": "Bare", "id": "prod_bare"})
    assert client.v1.products.delete(bare.id).deleted
    assert client.v1.products.list({"ids": [product.id]}).data[0].name == "Widget"


def test_a_price_is_per_piece_and_maybe_recurring() -> None:
    client = client_of(new_world())
    price = client.v1.prices.create(
        {
            "currency": "EUR",
            "unit_amount_decimal": "1250",  # type: ignore[typeddict-item]
            "recurring": {"interval": "year"},
            "product_data": {"name": "Plan"},
            "lookup_key": "plan",
        }
    )
    assert (price.currency, price.unit_amount, price.type) == ("eur", 1250, "recurring")
    found = client.v1.prices.list({"lookup_keys": ["plan"], "recurring": {"interval": "year"}})
    assert [p.id for p in found.data] == [price.id]
    assert client.v1.prices.update(price.id, {"nickname": "n"}).nickname == "n"


@pytest.mark.parametrize(
    "wrong",
    [
        {"unit_amount": 5},
        {"unit_amount": 5, "product": "prod_none"},
        {"product_data": {"name": "x"}},
        {"product_data": {"name": "x"}, "unit_amount": -1},
        {"product_data": {"name": "x"}, "unit_amount_decimal": "0.5"},
        {"product_data": {"name": "x"}, "billing_scheme": "tiered", "tiers": [{"up_to": "inf"}]},
    ],
)
def test_a_wrong_price_is_refused(wrong: dict[str, Any]) -> None:
    world = new_world()
    params: Any = {"currency": "usd", **wrong}
    with pytest.raises(stripe.InvalidRequestError):
        client_of(world).v1.prices.create(params)
    assert world.objects("price") == []


# -- Checkout -----------------------------------------------------------------------------------


def shop() -> World:
    """A world with a one-time and a recurring price."""
    world = new_world()
    world.add_price("price_once", unit_amount=500)
    world.add_price("price_monthly", unit_amount=700, interval="month")
    return world


def checkout(world: World, mode: str = "payment", **params: Any) -> stripe.checkout.Session:
    """Open a session over two of the price that suits the mode."""
    price = {"payment": "price_once", "subscription": "price_monthly"}.get(mode)
    lines = {"line_items": [{"price": price, "quantity": 2}]} if price else {}
    asked: Any = {"mode": mode, **PAGE, **lines, **params}
    return client_of(world).v1.checkout.sessions.create(asked)


def test_a_session_collects_when_its_customer_completes_it() -> None:
    world = shop()
    session = checkout(world, customer=CUSTOMER, payment_intent_data={"metadata": {"a": "b"}})
    assert (session.status, session.payment_status, session.amount_total) == (
        "open",
        "unpaid",
        1000,
    )
    assert session.url is not None
    assert session.payment_intent is None
    assert world.effects() == []
    world.complete_checkout(session.id)
    done = client_of(world).v1.checkout.sessions.retrieve(
        session.id, {"expand": ["line_items", "payment_intent"]}
    )
    assert (done.status, done.payment_status) == ("complete", "paid")
    assert isinstance(done.payment_intent, stripe.PaymentIntent)
    assert done.payment_intent.metadata.to_dict() == {"a": "b"}
    assert done.line_items is not None
    assert done.line_items.data[0].amount_total == 1000
    with pytest.raises(ValueError, match="not open"):
        world.complete_checkout(session.id)


def test_a_refused_card_leaves_the_session_open() -> None:
    world = shop()
    session = checkout(world)
    world.complete_checkout(session.id, payment_method="pm_card_chargeDeclined")
    assert world.get(session.id)["status"] == "open"
    world.complete_checkout(session.id)
    assert world.get(session.id)["status"] == "complete"
    assert len(world.effects()) == len(world.objects("payment_intent")) == 1


def test_the_payment_of_a_session_is_cancelled_by_expiring_the_session_only() -> None:
    world = shop()
    client = client_of(world)
    tried, refused = checkout(world), checkout(world)
    world.complete_checkout(tried.id, payment_method="pm_card_chargeDeclined")
    world.complete_checkout(refused.id, payment_method="pm_usBankAccount")
    world.settle_processing(world.get(refused.id)["payment_intent"], succeed=False)
    for session in (tried, refused):
        payment = world.get(session.id)["payment_intent"]
        with pytest.raises(stripe.InvalidRequestError, match="expire the session") as raised:
            client.v1.payment_intents.cancel(payment)
        assert raised.value.code == "payment_intent_unexpected_state"
        assert world.get(payment)["status"] == "requires_payment_method"
    client.v1.checkout.sessions.expire(tried.id)
    assert world.get(world.get(tried.id)["payment_intent"])["status"] == "canceled"


def test_what_a_session_has_only_authorized_can_be_given_back() -> None:
    world = shop()
    session = checkout(world, payment_intent_data={"capture_method": "manual"})
    world.complete_checkout(session.id)
    payment = world.get(session.id)["payment_intent"]
    assert client_of(world).v1.payment_intents.cancel(payment).status == "canceled"


def test_a_subscription_begins_only_when_its_session_is_completed() -> None:
    world = shop()
    session = checkout(world, "subscription", subscription_data={"metadata": {"a": "b"}})
    assert world.objects("subscription") == []
    world.complete_checkout(session.id)
    [subscription] = world.objects("subscription")
    assert (subscription["status"], subscription["metadata"]) == ("active", {"a": "b"})
    done = world.get(session.id)
    assert (done["subscription"], done["payment_status"]) == (subscription["id"], "paid")
    assert done["customer"] == subscription["customer"]


def test_a_session_can_save_a_card() -> None:
    world = shop()
    session = checkout(world, "setup", customer=CUSTOMER)
    world.complete_checkout(session.id)
    setup = world.get(world.get(session.id)["setup_intent"])
    assert setup["status"] == "succeeded"
    assert world.get(setup["payment_method"])["customer"] == CUSTOMER


def test_a_slow_bank_completes_the_session_before_it_pays() -> None:
    world = shop()
    session = checkout(world)
    world.complete_checkout(session.id, payment_method="pm_usBankAccount")
    done = world.get(session.id)
    assert (done["status"], done["payment_status"]) == ("complete", "unpaid")
    world.settle_processing(done["payment_intent"])
    assert world.get(session.id)["payment_status"] == "paid"
    events = client_of(world).v1.events.list({"type": "checkout.session.*"}).data
    assert [event.type for event in events] == [
        "checkout.session.async_payment_succeeded",
        "checkout.session.completed",
    ]


def test_a_session_expires_by_time_or_by_request_and_can_then_not_be_paid() -> None:
    world = shop()
    client = client_of(world)
    first, second, third = checkout(world), checkout(world), checkout(world)
    assert client.v1.checkout.sessions.expire(first.id).status == "expired"
    world.expire_checkout(second.id)
    world.advance(DAY)
    for session in (first, second, third):
        assert world.get(session.id)["status"] == "expired"
        with pytest.raises(ValueError, match="expired"):
            world.complete_checkout(session.id)
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.checkout.sessions.expire(first.id)
    with pytest.raises(ValueError, match="expired"):
        world.expire_checkout(first.id)


@pytest.mark.parametrize(
    ("mode", "wrong", "param"),
    [
        ("payment", {"line_items": [{"price": "price_monthly", "quantity": 1}]}, "mode"),
        ("subscription", {"line_items": [{"price": "price_once", "quantity": 1}]}, "mode"),
        ("payment", {"line_items": []}, "line_items"),
        ("payment", {"line_items": [{"price": "price_once"}]}, "line_items[0][quantity]"),
        ("payment", {"line_items": [{"quantity": 1}]}, "line_items[0]"),
        ("payment", {"customer": "cus_none"}, "customer"),
        ("payment", {"customer": CUSTOMER, "customer_email": "a@b.example"}, "customer_email"),
        ("payment", {"subscription_data": {"description": "x"}}, "subscription_data"),
        ("payment", {"expires_at": 1}, "expires_at"),
        ("payment", {"discounts": [{"coupon": "x"}]}, "discounts"),
        ("payment", {"success_url": None}, "success_url"),
    ],
)
def test_a_wrong_session_is_refused(mode: str, wrong: dict[str, Any], param: str) -> None:
    world = shop()
    with pytest.raises(stripe.InvalidRequestError) as raised:
        checkout(world, mode, **wrong)
    assert raised.value.param == param
    assert world.objects("checkout.session") == []


def test_a_line_can_bring_its_own_price() -> None:
    data = {"currency": "usd", "unit_amount": 250, "product_data": {"name": "Custom"}}
    session = checkout(shop(), line_items=[{"price_data": data, "quantity": 3}])
    assert session.amount_total == 750


# -- setup intents ------------------------------------------------------------------------------


def setting_up(**params: Any) -> Any:
    """Parameters of a setup intent that never redirects."""
    never = {"enabled": True, "allow_redirects": "never"}
    return {"customer": CUSTOMER, "automatic_payment_methods": never, **params}


def test_a_setup_keeps_a_card_without_charging_it() -> None:
    world = new_world()
    client = client_of(world)
    setup = client.v1.setup_intents.create(setting_up(payment_method="pm_card_visa", confirm=True))
    assert setup.status == "succeeded"
    assert world.get(str(setup.payment_method))["customer"] == CUSTOMER
    assert world.effects() == []


def test_a_setup_can_need_its_customer_or_be_refused() -> None:
    world = new_world()
    client = client_of(world)
    setup = client.v1.setup_intents.create(setting_up())
    with pytest.raises(stripe.CardError) as raised:
        client.v1.setup_intents.confirm(setup.id, {"payment_method": "pm_card_chargeDeclined"})
    assert error_of(raised.value)["setup_intent"]["status"] == "requires_payment_method"
    method = {"payment_method": "pm_card_authenticationRequired"}
    waiting = client.v1.setup_intents.confirm(setup.id, method)  # type: ignore[arg-type]
    assert waiting.status == "requires_action"
    world.complete_action(setup.id)
    assert world.get(setup.id)["status"] == "succeeded"
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.setup_intents.cancel(setup.id)
    assert refused.value.code == "setup_intent_unexpected_state"


def test_a_setup_can_be_canceled() -> None:
    client = client_of(new_world())
    setup = client.v1.setup_intents.create({"customer": CUSTOMER})
    assert client.v1.setup_intents.cancel(setup.id).status == "canceled"
    assert [s.id for s in client.v1.setup_intents.list({"customer": CUSTOMER}).data] == [setup.id]


# -- webhooks -----------------------------------------------------------------------------------


def test_a_delivery_passes_the_sdks_own_check() -> None:
    world = new_world()
    client = client_of(world)
    endpoint = client.v1.webhook_endpoints.create(
        {"url": "https://x.example/hook", "enabled_events": ["*"]}
    )
    assert endpoint.secret is not None
    assert client.v1.webhook_endpoints.retrieve(endpoint.id).to_dict().get("secret") is None
    [event] = client.v1.events.list({"type": "customer.created"}).data
    body, headers = world.delivery(event.id, endpoint=endpoint.id)
    signature = headers["Stripe-Signature"]
    verified = stripe.Webhook.construct_event(body, signature, endpoint.secret, tolerance=10**12)
    assert verified.id == event.id
    _, other = world.delivery(event.id, secret="whsec_other")
    assert other["Stripe-Signature"] != signature
    with pytest.raises(ValueError, match="secret"):
        world.delivery(event.id)


def test_webhook_endpoints_can_be_changed_and_deleted() -> None:
    client = client_of(new_world())
    made = client.v1.webhook_endpoints.create(
        {"url": "https://x.example/", "enabled_events": ["charge.refunded"]}
    )
    assert client.v1.webhook_endpoints.update(made.id, {"disabled": True}).status == "disabled"
    assert [e.url for e in client.v1.webhook_endpoints.list().data] == ["https://x.example/"]
    assert client.v1.webhook_endpoints.delete(made.id).deleted
    assert client.v1.webhook_endpoints.list().data == []
    with pytest.raises(stripe.InvalidRequestError, match="URL"):
        client.v1.webhook_endpoints.create({"url": "nowhere", "enabled_events": ["*"]})
