"""What happens when somebody pays, or cannot."""

from __future__ import annotations

import pytest
import stripe

from tests.unit.sandbox.sandbox_helpers import (
    CARD,
    CUSTOMER,
    client_of,
    error_of,
    new_world,
    payment,
)


def test_a_confirmed_payment_with_a_working_card_moves_money() -> None:
    world = new_world()
    intent = client_of(world).v1.payment_intents.create(payment())
    assert (intent.status, intent.amount_received, intent.customer) == ("succeeded", 1999, CUSTOMER)
    [charge] = world.effects()
    assert charge["id"] == intent.latest_charge
    assert (charge["paid"], charge["status"], charge["amount_captured"]) == (
        True,
        "succeeded",
        1999,
    )


def test_a_payment_without_confirmation_moves_nothing() -> None:
    world = new_world()
    params = payment(confirm=None, off_session=None)
    intent = client_of(world).v1.payment_intents.create(params)
    assert intent.status == "requires_confirmation"
    assert world.effects() == []


def test_a_payment_never_uses_the_customers_default_by_itself() -> None:
    world = new_world()
    params = payment(payment_method=None, confirm=None, off_session=None)
    intent = client_of(world).v1.payment_intents.create(params)
    assert intent.status == "requires_payment_method"
    assert intent.payment_method is None


def test_confirming_without_a_payment_method_is_refused() -> None:
    client = client_of(new_world())
    with pytest.raises(stripe.InvalidRequestError) as raised:
        client.v1.payment_intents.create(payment(payment_method=None))
    assert raised.value.code == "payment_intent_unexpected_state"
    assert error_of(raised.value)["payment_intent"]["status"] == "requires_payment_method"


@pytest.mark.parametrize(
    ("outcome", "code", "decline_code", "param"),
    [
        ("declined:insufficient_funds", "card_declined", "insufficient_funds", None),
        ("declined", "card_declined", "generic_decline", None),
        ("declined:expired_card", "expired_card", None, "exp_month"),
        ("declined:incorrect_cvc", "incorrect_cvc", None, "cvc"),
        ("declined:incorrect_zip", "incorrect_zip", None, "address_zip"),
        ("declined:processing_error", "processing_error", "generic_decline", None),
    ],
)
def test_a_decline_is_a_402_that_leaves_the_payment_payable(
    outcome: str, code: str, decline_code: str | None, param: str | None
) -> None:
    world = new_world()
    bad = world.add_payment_method(customer=CUSTOMER, outcome=outcome)
    client = client_of(world)
    with pytest.raises(stripe.CardError) as raised:
        client.v1.payment_intents.create(payment(payment_method=bad))
    error = error_of(raised.value)
    given = {"type": "card_error", "code": code, "decline_code": decline_code, "param": param}
    assert {name: error[name] for name in given if name in error} == {
        name: value for name, value in given.items() if value is not None
    }
    assert error["charge"].startswith("ch_")
    assert error["doc_url"].endswith(code.replace("_", "-"))
    left = client.v1.payment_intents.retrieve(error["payment_intent"]["id"])
    assert left.status == "requires_payment_method"
    assert left.last_payment_error is not None
    assert left.last_payment_error.code == code
    assert world.effects() == []

    world.complete_action(left.id)
    assert world.get(left.id)["status"] == "succeeded"


def test_authentication_off_session_is_a_402() -> None:
    world = new_world()
    method = world.add_payment_method(customer=CUSTOMER, outcome="authentication_required")
    with pytest.raises(stripe.CardError) as raised:
        client_of(world).v1.payment_intents.create(payment(payment_method=method))
    assert raised.value.code == "authentication_required"
    assert error_of(raised.value)["payment_intent"]["status"] == "requires_payment_method"


def test_authentication_on_session_waits_for_the_customer() -> None:
    world = new_world()
    method = world.add_payment_method(customer=CUSTOMER, outcome="authentication_required")
    params = payment(payment_method=method, off_session=None)
    intent = client_of(world).v1.payment_intents.create(params)
    assert intent.status == "requires_action"
    assert intent.next_action is not None
    assert intent.next_action.type == "use_stripe_sdk"
    assert intent.client_secret is not None
    assert intent.client_secret.startswith(f"{intent.id}_secret_")

    world.complete_action(intent.id)
    assert world.get(intent.id)["status"] == "succeeded"
    assert len(world.effects()) == 1


def test_a_customer_who_fails_authentication_pays_nothing() -> None:
    world = new_world()
    method = world.add_payment_method(customer=CUSTOMER, outcome="authentication_required")
    params = payment(payment_method=method, off_session=None, return_url="https://x.example/")
    intent = client_of(world).v1.payment_intents.create(params)
    assert intent.next_action is not None
    assert intent.next_action.type == "redirect_to_url"
    world.complete_action(intent.id, succeed=False)
    left = world.get(intent.id)
    assert left["status"] == "requires_payment_method"
    assert left["last_payment_error"]["code"] == "payment_intent_authentication_failure"
    assert world.effects() == []


def test_an_error_can_be_asked_for_instead_of_an_action() -> None:
    world = new_world()
    method = world.add_payment_method(customer=CUSTOMER, outcome="authentication_required")
    params = payment(payment_method=method, off_session=None, error_on_requires_action=True)
    with pytest.raises(stripe.CardError) as raised:
        client_of(world).v1.payment_intents.create(params)
    assert raised.value.code == "authentication_required"


@pytest.mark.parametrize("succeeds", [True, False])
def test_a_processing_payment_is_settled_by_its_bank(succeeds: bool) -> None:
    world = new_world()
    method = world.add_payment_method(customer=CUSTOMER, outcome="processing")
    intent = client_of(world).v1.payment_intents.create(payment(payment_method=method))
    assert intent.status == "processing"
    assert world.effects() == []
    world.settle_processing(intent.id, succeed=succeeds)
    status = "succeeded" if succeeds else "requires_payment_method"
    assert world.get(intent.id)["status"] == status
    assert len(world.effects()) == int(succeeds)


def test_a_canceled_payment_can_never_be_paid() -> None:
    world = new_world()
    client = client_of(world)
    intent = client.v1.payment_intents.create(payment(confirm=None, off_session=None))
    canceled = client.v1.payment_intents.cancel(intent.id, {"cancellation_reason": "abandoned"})
    assert (canceled.status, canceled.cancellation_reason) == ("canceled", "abandoned")
    with pytest.raises(stripe.InvalidRequestError) as raised:
        client.v1.payment_intents.confirm(intent.id)
    assert raised.value.code == "payment_intent_unexpected_state"
    with pytest.raises(ValueError, match="the customer cannot pay it"):
        world.complete_action(intent.id)


def test_a_payment_that_succeeded_cannot_be_canceled() -> None:
    client = client_of(new_world())
    intent = client.v1.payment_intents.create(payment())
    with pytest.raises(stripe.InvalidRequestError) as raised:
        client.v1.payment_intents.cancel(intent.id)
    assert raised.value.code == "payment_intent_unexpected_state"
    assert error_of(raised.value)["payment_intent"]["id"] == intent.id


def test_what_a_payment_is_too_late_for_is_said_in_plain_words() -> None:
    client = client_of(new_world())
    intent = client.v1.payment_intents.create(payment())
    calls = (
        (client.v1.payment_intents.cancel, "may be canceled: requires_payment_method"),
        (client.v1.payment_intents.capture, "may be captured: requires_capture"),
        (client.v1.payment_intents.confirm, "may be confirmed: requires_payment_method"),
    )
    for call, words in calls:
        with pytest.raises(stripe.InvalidRequestError, match=words):
            call(intent.id)


def test_a_payment_can_be_confirmed_later_with_another_card() -> None:
    world = new_world()
    client = client_of(world)
    params = payment(payment_method=None, confirm=None, off_session=None)
    intent = client.v1.payment_intents.create(params)
    paid = client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
    assert paid.status == "succeeded"
    assert paid.payment_method not in (None, CARD, "pm_card_visa")


def test_a_held_payment_is_collected_by_capture_in_part() -> None:
    world = new_world()
    client = client_of(world)
    intent = client.v1.payment_intents.create(payment(capture_method="manual"))
    assert (intent.status, intent.amount_capturable) == ("requires_capture", 1999)
    assert world.effects() == []
    with pytest.raises(stripe.InvalidRequestError, match="more than the amount"):
        client.v1.payment_intents.capture(intent.id, {"amount_to_capture": 2000})
    captured = client.v1.payment_intents.capture(intent.id, {"amount_to_capture": 1500})
    assert (captured.status, captured.amount_received) == ("succeeded", 1500)
    assert [charge["amount_captured"] for charge in world.effects()] == [1500]
    assert client.v1.refunds.create({"payment_intent": intent.id}).amount == 1500


def test_a_held_payment_that_is_canceled_is_given_back() -> None:
    world = new_world()
    client = client_of(world)
    intent = client.v1.payment_intents.create(payment(capture_method="manual"))
    client.v1.payment_intents.cancel(intent.id)
    assert isinstance(intent.latest_charge, str)
    assert world.get(intent.latest_charge)["refunded"] is True
    assert world.effects() == []


def test_a_payment_method_of_another_customer_is_refused() -> None:
    world = new_world()
    world.add_customer("cus_two", default_payment_method="pm_two")
    with pytest.raises(stripe.InvalidRequestError, match="belongs to the Customer cus_two"):
        client_of(world).v1.payment_intents.create(payment(payment_method="pm_two"))
    assert world.effects() == []


def test_an_unattached_payment_method_works_once() -> None:
    world = new_world()
    once = world.add_payment_method()
    client = client_of(world)
    client.v1.payment_intents.create(payment(payment_method=once))
    with pytest.raises(stripe.InvalidRequestError, match="may not be used again"):
        client.v1.payment_intents.create(payment(payment_method=once))


def test_a_payment_method_can_be_kept_for_later() -> None:
    world = new_world()
    fresh = world.add_payment_method()
    client = client_of(world)
    client.v1.payment_intents.create(
        payment(payment_method=fresh, setup_future_usage="off_session")
    )
    assert world.get(fresh)["customer"] == CUSTOMER


@pytest.mark.parametrize(
    ("method", "code"),
    [
        ("pm_card_chargeDeclined", "card_declined"),
        ("pm_card_chargeDeclinedInsufficientFunds", "card_declined"),
        ("pm_card_visa_chargeDeclinedLostCard", "card_declined"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card"),
        ("pm_card_authenticationRequired", "authentication_required"),
    ],
)
def test_stripes_own_test_cards_behave_as_documented(method: str, code: str) -> None:
    with pytest.raises(stripe.CardError) as raised:
        client_of(new_world()).v1.payment_intents.create(payment(payment_method=method))
    assert raised.value.code == code


def test_a_card_can_be_told_to_behave_otherwise() -> None:
    world = new_world()
    world.set_outcome(CARD, "declined:lost_card")
    with pytest.raises(stripe.CardError):
        client_of(world).v1.payment_intents.create(payment())
    with pytest.raises(ValueError, match="not an outcome"):
        world.set_outcome(CARD, "perhaps")


def test_redirects_must_be_refused_or_given_a_way_back() -> None:
    params = payment(automatic_payment_methods=None)
    with pytest.raises(stripe.InvalidRequestError, match="return_url"):
        client_of(new_world()).v1.payment_intents.create(params)
    cards_only = client_of(new_world(redirect_methods=False))
    assert cards_only.v1.payment_intents.create(params).status == "succeeded"


def test_words_of_a_payment_can_change_after_it_succeeded_but_not_its_amount() -> None:
    client = client_of(new_world())
    intent = client.v1.payment_intents.create(payment(metadata={"a": "1", "b": "2"}))
    changed = client.v1.payment_intents.update(
        intent.id, {"description": "new", "metadata": {"a": "", "c": "3"}}
    )
    assert changed.description == "new"
    assert changed.metadata.to_dict() == {"b": "2", "c": "3"}
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.payment_intents.update(intent.id, {"amount": 2500})


def test_an_open_payment_can_change_its_amount_and_method() -> None:
    client = client_of(new_world())
    params = payment(payment_method=None, confirm=None, off_session=None)
    intent = client.v1.payment_intents.create(params)
    changed = client.v1.payment_intents.update(intent.id, {"amount": 50, "payment_method": CARD})
    assert (changed.amount, changed.status) == (50, "requires_confirmation")
    with pytest.raises(stripe.InvalidRequestError) as raised:
        client.v1.payment_intents.update(intent.id, {"amount": 49})
    assert raised.value.code == "amount_too_small"


def test_other_accounts_are_refused() -> None:
    with pytest.raises(stripe.InvalidRequestError, match="on_behalf_of"):
        client_of(new_world()).v1.payment_intents.create(payment(on_behalf_of="acct_2"))
