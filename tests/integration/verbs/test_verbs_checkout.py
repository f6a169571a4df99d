"""Checkout sessions: the mode, what they create, and how they end."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from stripe_billing_router.errors import (
    BillingError,
    InvalidRequestError,
    OutcomeUnknownError,
    PaymentDeclinedError,
    StripeRequestError,
)
from tests.integration.verbs.verbs_bench import (
    BOT,
    CUSTOMER,
    DAY,
    IN_YEN,
    MONTHLY,
    ONCE,
    OTHER,
    YEN,
    Bench,
)

URL = "https://shop.example/thanks"
CREATE = "POST /v1/checkout/sessions"
DATA = {
    "currency": "usd",
    "unit_amount": 250,
    "product_data": {"name": "A report", "metadata": {"shelf": "9"}},
}


def session(bench: Bench, *lines: dict[str, Any], bot: str = BOT, **given: Any) -> Any:
    items = list(lines) or [{"price": ONCE, "quantity": 1}]
    return bench.router.create_checkout_session(bot, items, **{"success_url": URL, **given})


def test_one_time_prices_make_a_payment(bench: Bench) -> None:
    done = session(bench, {"price": ONCE, "quantity": 2}, {"price_data": DATA, "quantity": 1})
    assert (done["mode"], done["amount_total"], done["customer"]) == ("payment", 4248, CUSTOMER)
    assert done["url"].startswith("https://checkout.stripe.com/")
    assert (done.state, done.paid, done.amount_minor) == ("requires_action", False, 0)


@pytest.mark.parametrize(
    "line",
    [
        {"price": MONTHLY, "quantity": 1},
        {"price_data": {**DATA, "recurring": {"interval": "month"}}, "quantity": 1},
    ],
    ids=["price", "price_data"],
)
def test_a_recurring_price_makes_a_subscription(bench: Bench, line: dict[str, Any]) -> None:
    assert session(bench, line)["mode"] == "subscription"


@pytest.mark.parametrize(
    "line", [{"price": "price_two_currencies", "quantity": 1}, {"price_data": DATA, "quantity": 1}]
)
def test_no_other_currency_is_offered_than_rules_were_asked_about(
    bench: Bench, line: dict[str, Any]
) -> None:
    assert session(bench, line)["currency"] == "usd"
    assert bench.world.requests[-1].params["currency"] == "usd"


def test_a_given_mode_wins(bench: Bench) -> None:
    with pytest.raises(StripeRequestError, match="at least one recurring price"):
        session(bench, mode="subscription")
    assert bench.world.requests[-1].params["mode"] == "subscription"


def test_prices_are_read_once(bench: Bench) -> None:
    bench.world.add_price("price_new", unit_amount=100)
    for number in range(3):
        session(bench, {"price": "price_new", "quantity": 1}, client_reference_id=str(number))
    assert bench.sent() == ["GET /v1/prices/*"] + [CREATE] * 3


def test_the_given_customer_comes_to_the_page(bench: Bench) -> None:
    assert session(bench, customer_id=OTHER)["customer"] == OTHER


def test_metadata_reaches_the_payment_that_the_session_makes(bench: Bench) -> None:
    done = session(
        bench,
        metadata={"order": "7"},
        payment_intent_data={"description": "A thing", "metadata": {"inner": "1"}},
    )
    bench.world.complete_checkout(done.id)
    (payment,) = bench.world.objects("payment_intent")
    stamp = {"operation_id": done.operation_id, "bot_id": BOT}
    assert payment["metadata"] == {"order": "7", "inner": "1", **stamp}
    assert payment["description"] == "A thing"
    assert bench.world.get(done.id)["metadata"] == {"order": "7", **stamp}


def test_metadata_reaches_the_subscription_that_the_session_makes(bench: Bench) -> None:
    done = session(bench, {"price": MONTHLY, "quantity": 1}, metadata={"order": "7"})
    bench.world.complete_checkout(done.id)
    (made,) = bench.world.objects("subscription")
    assert made["metadata"] == {
        "order": "7",
        "operation_id": done.operation_id,
        "bot_id": BOT,
    }


@pytest.mark.parametrize("line", [ONCE, MONTHLY])
def test_a_completed_session_is_found_paid_and_recorded(bench: Bench, line: str) -> None:
    given = {"idempotency_key": "k"}
    first = session(bench, {"price": line, "quantity": 1}, **given)
    assert session(bench, {"price": line, "quantity": 1}, **given).state == "requires_action"
    assert len(bench.entries()) == 1
    bench.world.complete_checkout(first.id)
    paid = session(bench, {"price": line, "quantity": 1}, **given)
    amount = 1999 if line == ONCE else 500
    assert (paid.state, paid.paid, paid.amount_minor) == ("succeeded", True, amount)
    entry = bench.entry()
    assert (entry.id, entry.amount_minor, entry.status) == (first.id, amount, "succeeded")
    bench.forget_requests()
    assert session(bench, {"price": line, "quantity": 1}, **given).amount_minor == amount
    assert not bench.sent()


def test_a_session_in_yen_is_recorded_in_yen(bench: Bench) -> None:
    given = {"bot": YEN, "idempotency_key": "k"}
    first = session(bench, {"price": IN_YEN, "quantity": 3}, **given)
    bench.world.complete_checkout(first.id)
    paid = session(bench, {"price": IN_YEN, "quantity": 3}, **given)
    assert (paid.amount_minor, str(paid.amount), paid.currency) == (3000, "3000", "jpy")


def test_a_refused_card_leaves_the_session_open(bench: Bench) -> None:
    first = session(bench, idempotency_key="k")
    bench.world.complete_checkout(first.id, payment_method="pm_card_chargeDeclined")
    assert session(bench, idempotency_key="k").status == "open"
    assert not bench.collected()
    bench.router.cancel(str(first.operation_id))
    assert bench.collectable() == []


def test_a_session_paid_by_a_bank_is_processing_until_the_bank_has_paid(bench: Bench) -> None:
    first = session(bench, idempotency_key="k")
    bench.world.complete_checkout(first.id, payment_method="pm_usBankAccount")
    waits = session(bench, idempotency_key="k")
    assert (waits.state, waits.paid, waits.amount_minor) == ("processing", False, 0)
    (payment,) = bench.world.objects("payment_intent")
    bench.world.settle_processing(payment["id"])
    paid = session(bench, idempotency_key="k")
    assert (paid.state, paid.amount_minor) == ("succeeded", 1999)
    assert [entry.status for entry in bench.entries()] == [
        "requires_action",
        "processing",
        "succeeded",
    ]


def test_an_expired_session_is_canceled_and_a_new_key_makes_a_new_one(bench: Bench) -> None:
    first = session(bench, idempotency_key="k")
    bench.world.expire_checkout(first.id)
    for _ in range(2):
        with pytest.raises(PaymentDeclinedError, match="expired") as told:
            session(bench, idempotency_key="k")
        assert told.value.money == "not_moved"
    assert (bench.entry().status, bench.entry().error) == ("canceled", 1)
    assert session(bench, idempotency_key="k2").id != first.id


def test_an_open_session_blocks_an_equal_call_without_a_key(bench: Bench) -> None:
    first = session(bench)
    with pytest.raises(OutcomeUnknownError) as told:
        session(bench)
    assert told.value.operation_id == first.operation_id
    bench.router.cancel(first.operation_id)
    assert session(bench).id != first.id


def test_cancelling_closes_the_page(bench: Bench) -> None:
    first = session(bench)
    ended = bench.router.cancel(first.operation_id)
    assert (ended.state, ended.status) == ("canceled", "expired")
    with pytest.raises(ValueError, match="expired"):
        bench.world.complete_checkout(first.id)
    assert not bench.collectable()


def test_cancelling_a_session_that_was_paid_meanwhile_records_the_payment(bench: Bench) -> None:
    first = session(bench)
    bench.world.complete_checkout(first.id)
    ended = bench.router.cancel(first.operation_id)
    assert (ended.state, ended.paid, ended.amount_minor) == ("succeeded", True, 1999)
    assert bench.entry().amount_minor == 1999


def test_a_session_that_nobody_finished_is_closed_after_a_day(bench: Bench) -> None:
    session(bench)
    bench.world.advance(DAY + 60)
    assert len(bench.router.recover_operations().canceled) == 1
    assert bench.entry().status == "canceled"


@pytest.mark.parametrize("effect", [True, False])
@pytest.mark.parametrize("completed", [True, False])
def test_a_session_cut_off_is_closed_or_recorded(
    bench: Bench, effect: bool, completed: bool
) -> None:
    bench.fault("cut", CREATE, effect=effect, times=None)
    with pytest.raises(OutcomeUnknownError):
        session(bench)
    bench.world.faults.clear()
    if effect and completed:
        bench.world.complete_checkout(bench.world.objects("checkout.session")[0]["id"])
    bench.world.advance(3600)
    bench.router.recover_operations()
    paid = effect and completed
    assert bench.entry().status == ("succeeded" if paid else "abandoned")
    assert bench.entry().amount_minor == (1999 if paid else 0)
    assert not bench.collectable()


@pytest.mark.parametrize(
    ("given", "parameter"),
    [
        ([], "line_items"),
        (None, "line_items"),
        ("price_once", "line_items"),
        ({"price": ONCE}, "line_items"),
        ([ONCE], "line_items[0]"),
        ([{}], "line_items[0]"),
        ([{"quantity": 1}], "line_items[0]"),
        ([{"price": None, "quantity": 1}], "line_items[0].price"),
        ([{"price": ONCE, "price_data": DATA}], "line_items[0]"),
        ([{"price": ONCE, "quantity": 0}], "quantity"),
        ([{"price": ONCE, "quantity": "2"}], "quantity"),
        ([{"price": 5}], "line_items[0].price"),
        ([{"price": {"id": ONCE}}], "line_items[0].price"),
        ([{"price": "price_1/../../account"}], "line_items[0].price"),
        ([{"price": "../customers"}], "line_items[0].price"),
        ([{"price": "price_1?x=1"}], "line_items[0].price"),
        ([{"price_data": "x"}], "line_items[0].price_data"),
        ([{"price_data": {}}], "line_items[0].price_data.currency"),
        ([{"price_data": {**DATA, "currency": "xyz"}}], "line_items[0].price_data.currency"),
        ([{"price_data": {**DATA, "currency": ["usd"]}}], "line_items[0].price_data.currency"),
        ([{"price": ONCE, "qantity": 2}], "line_items.qantity"),
        ([{"price": ONCE}, None], "line_items"),
    ],
)
def test_line_items_that_are_none_are_refused_before_a_request(
    bench: Bench, given: Any, parameter: str
) -> None:
    with pytest.raises(InvalidRequestError) as told:
        bench.router.create_checkout_session(BOT, given, success_url=URL)
    assert told.value.parameter == parameter
    assert not bench.sent()
    assert not bench.entries()


@pytest.mark.parametrize("mode", ["setup", "pay", "", 1, ["payment"]])
def test_a_mode_that_does_not_pay_is_refused(bench: Bench, mode: Any) -> None:
    with pytest.raises(InvalidRequestError, match="payment, subscription"):
        session(bench, mode=mode)
    assert not bench.sent()


@pytest.mark.parametrize(
    "given",
    [
        {"payment_intent_data": "x"},
        {"payment_intent_data": ["x"]},
        {"subscription_data": 5},
        {"payment_intent_data": {"metadata": "x"}},
        {"payment_intent_data": {"metadata": ["x"]}},
        {"payment_intent_data": {"metadata": {"a[b": "c"}}},
        {"payment_intent_data": {"metadata": {"operation_id": "op_1"}}},
        {"payment_intent_data": {"metadata": {"destination_account": "elsewhere"}}},
        {"payment_intent_data": {"capture_method": "manual"}},
        {"payment_intent_data": {"transfer_data": {"destination": "acct_other"}}},
        {"payment_intent_data": {"application_fee_amount": 5}},
        {"subscription_data": {"on_behalf_of": "acct_other"}},
        {"subscription_data": {"invoice_settings": {"issuer": {"type": "account"}}}},
        {"invoice_creation": {"enabled": True, "invoice_data": {"metadata": {"bot_id": "x"}}}},
        {"after_expiration": {"recovery": {"enabled": True}}},
        {"setup_intent_data": {"on_behalf_of": "acct_other"}},
        {"customer": OTHER},
        {"customer_account": "acct_other"},
        {"currency": "eur"},
        {"line_items": []},
        {"expand": ["payment_intent"]},
    ],
    ids=str,
)
def test_what_the_router_decides_cannot_be_passed(bench: Bench, given: dict[str, Any]) -> None:
    with pytest.raises((InvalidRequestError, TypeError)) as told:
        session(bench, **given)
    assert isinstance(told.value, BillingError) or "line_items" in given
    assert not bench.sent()
    assert not bench.entries()


def test_metadata_that_outgrows_stripe_s_limit_is_refused_before_the_intent(bench: Bench) -> None:
    """The payment of a session bears the session's metadata, beside its own."""
    own = {f"own_{n}": "x" for n in range(30)}
    with pytest.raises(InvalidRequestError, match=r"51 names.* at most 50") as told:
        session(
            bench,
            metadata={f"name_{n}": "x" for n in range(19)},
            payment_intent_data={"metadata": own},
        )
    assert (told.value.parameter, told.value.money) == ("payment_intent_data.metadata", "not_moved")
    assert (bench.sent(), bench.entries()) == ([], [])
    session(
        bench, metadata={f"name_{n}": "x" for n in range(18)}, payment_intent_data={"metadata": own}
    )


def test_the_sandbox_knows_the_limit_of_metadata_inside_as_well(bench: Bench) -> None:
    lines: Any = [{"price": ONCE, "quantity": 1}]
    with pytest.raises(stripe.InvalidRequestError, match="up to 50 keys, but you've set 51"):
        bench.dashboard.v1.checkout.sessions.create(
            {
                "mode": "payment",
                "line_items": lines,
                "success_url": URL,
                "payment_intent_data": {"metadata": {f"name_{n}": "x" for n in range(51)}},
            }
        )
