"""Refunds: the right object, the payment's own currency, never more than was paid."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from stripe_billing_router.errors import (
    BillingError,
    InvalidAmountError,
    InvalidRequestError,
    OutcomeUnknownError,
    StripeRequestError,
)
from tests.integration.verbs.verbs_bench import BOT, CUSTOMER, DAY, YEN, Bench


def refunded(bench: Bench) -> list[int]:
    return [refund["amount"] for refund in bench.world.objects("refund")]


def charge_of(bench: Bench, payment: str) -> str:
    return str(bench.world.get(payment)["latest_charge"])


def test_a_payment_is_given_back_whole_in_one_request(bench: Bench) -> None:
    paid = bench.router.charge(BOT, "19.99")
    bench.forget_requests()
    done = bench.router.refund(BOT, paid.id)
    assert (done.amount, done.currency, done.paid) == (Decimal("19.99"), "usd", True)
    assert (bench.sent(), refunded(bench)) == (["POST /v1/refunds"], [1999])
    assert "amount" not in bench.world.requests[-1].params


def test_a_charge_is_named_as_a_charge(bench: Bench) -> None:
    charge = charge_of(bench, bench.router.charge(BOT, 5).id)
    bench.router.refund(BOT, charge)
    params = bench.world.requests[-1].params
    assert params["charge"] == charge
    assert "payment_intent" not in params


def test_a_bank_payment_is_named_as_a_charge(bench: Bench) -> None:
    bench.world.add_payment_method("pm_bank", customer=CUSTOMER, outcome="processing")
    payment = bench.router.charge(BOT, 5, payment_method_id="pm_bank").id
    bench.world.settle_processing(payment)
    charge = charge_of(bench, payment)
    assert charge.startswith("py_")
    assert bench.router.refund(BOT, charge, amount=2).amount_minor == 200
    assert bench.world.requests[-1].params["charge"] == charge


def test_an_invoice_is_given_back_through_the_payment_that_paid_it(bench: Bench) -> None:
    invoice = bench.router.charge(BOT).id
    bench.forget_requests()
    done = bench.router.refund(BOT, invoice, amount="9.99")
    (payment,) = bench.world.objects("payment_intent")
    assert done["payment_intent"] == payment["id"]
    assert (done.amount_minor, refunded(bench)) == (999, [999])
    assert bench.sent() == [
        "GET /v1/invoice_payments",
        "GET /v1/payment_intents/*",
        "POST /v1/refunds",
    ]


def test_an_invoice_that_was_not_paid_cannot_be_given_back(bench: Bench) -> None:
    bench.world.add_price("price_tiny", unit_amount=20)
    unpaid = bench.router.charge(BOT, price_id="price_tiny").id
    with pytest.raises(StripeRequestError, match="no payments") as told:
        bench.router.refund(BOT, unpaid)
    assert told.value.money == "not_moved"
    assert bench.entry().action_type == "charge"


@pytest.mark.parametrize("given", ["1000", 1000, 1000.0, Decimal("1000.00")])
def test_yen_are_given_back_as_yen_on_a_route_in_dollars(bench: Bench, given: Any) -> None:
    paid = bench.router.charge(YEN, 1000)
    done = bench.router.refund(BOT, paid.id, amount=given)
    assert (done.amount_minor, done.currency, str(done.amount)) == (1000, "jpy", "1000")
    assert refunded(bench) == [1000]
    entry = bench.entry()
    assert (entry.amount_minor, entry.amount, entry.currency) == (1000, Decimal(1000), "jpy")


def test_dollars_are_given_back_as_dollars_on_a_route_in_yen(bench: Bench) -> None:
    paid = bench.router.charge(BOT, "19.99")
    assert bench.router.refund(YEN, paid.id, amount="0.99").amount_minor == 99


def test_the_currency_comes_from_the_ledger_without_a_request(bench: Bench) -> None:
    paid = bench.router.charge(YEN, 1000)
    bench.forget_requests()
    bench.router.refund(BOT, paid.id, amount=1)
    assert bench.sent() == ["POST /v1/refunds"]


@pytest.mark.parametrize("kind", ["payment_intent", "charge"])
def test_the_currency_of_a_payment_made_elsewhere_is_asked_for_once(
    bench: Bench, kind: str
) -> None:
    made = bench.dashboard.v1.payment_intents.create(
        {
            "amount": 700,
            "currency": "jpy",
            "customer": CUSTOMER,
            "payment_method": "pm_one",
            "confirm": True,
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        }
    )
    payment = made.id if kind == "payment_intent" else charge_of(bench, made.id)
    done = bench.router.refund(BOT, payment, amount=200)
    assert (done.amount_minor, done.currency) == (200, "jpy")
    assert bench.sent() == [f"GET /v1/{kind}s/*", "POST /v1/refunds"]


def test_parts_may_be_given_back_until_all_is(bench: Bench) -> None:
    paid = bench.router.charge(BOT, 10)
    for part in ("4.00", "5.99", "0.01"):
        bench.router.refund(BOT, paid.id, amount=part)
    with pytest.raises(StripeRequestError) as told:
        bench.router.refund(BOT, paid.id)
    assert told.value.code == "charge_already_refunded"
    assert sum(refunded(bench)) == 1000


@pytest.mark.parametrize("amount", ["10.01", 11, 99_999])
def test_more_than_was_paid_is_refused_and_recorded_as_nothing(bench: Bench, amount: Any) -> None:
    paid = bench.router.charge(BOT, 10)
    with pytest.raises(StripeRequestError) as told:
        bench.router.refund(BOT, paid.id, amount=amount)
    assert (told.value.money, refunded(bench)) == ("not_moved", [])
    entry = bench.entry()
    assert (entry.action_type, entry.error, entry.amount_minor) == ("refund", 1, 0)


@pytest.mark.parametrize("amount", [0, "-1", "1.001", float("nan"), True, "1e2", [1]])
def test_an_amount_that_cannot_be_given_back_exactly_sends_nothing(
    bench: Bench, amount: Any
) -> None:
    paid = bench.router.charge(BOT, 10)
    bench.forget_requests()
    with pytest.raises(InvalidAmountError):
        bench.router.refund(BOT, paid.id, amount=amount)
    assert not bench.sent()


def test_half_a_yen_is_refused_before_stripe_hears_of_it(bench: Bench) -> None:
    paid = bench.router.charge(YEN, 1000)
    bench.forget_requests()
    with pytest.raises(InvalidAmountError):
        bench.router.refund(BOT, paid.id, amount="0.50")
    assert not bench.sent()


@pytest.mark.parametrize(
    "payment_id",
    [
        None,
        "",
        5,
        "re_1",
        "sub_1",
        "cus_1",
        "cs_live_1",
        "PI_1",
        " pi_1",
        "pi_1 ",
        "pi_1\n",
        "pi_é",
        "pi_../account",
        "ch_1?expand[]=customer",
        "in_1/pay",
        ["pi_1"],
    ],
)
def test_an_id_of_another_kind_is_refused_before_a_request(bench: Bench, payment_id: Any) -> None:
    with pytest.raises(InvalidRequestError) as told:
        bench.router.refund(BOT, payment_id)
    assert told.value.parameter == "payment_id"
    assert not bench.sent()
    assert not bench.entries()


@pytest.mark.parametrize("payment_id", ["pi_none", "ch_none"])
def test_a_payment_that_does_not_exist_is_refused(bench: Bench, payment_id: str) -> None:
    with pytest.raises(StripeRequestError, match=payment_id):
        bench.router.refund(BOT, payment_id, amount=1)
    assert not bench.entries()
    with pytest.raises(StripeRequestError) as told:
        bench.router.refund(BOT, payment_id)
    assert told.value.money == "not_moved"
    assert not refunded(bench)


@pytest.mark.parametrize("reason", ["because", "", 5, ["duplicate"]])
def test_a_reason_that_stripe_does_not_know_is_refused(bench: Bench, reason: Any) -> None:
    with pytest.raises(InvalidRequestError, match="requested_by_customer"):
        bench.router.refund(BOT, "pi_1", reason=reason)
    assert not bench.sent()


def test_reason_and_stripe_s_own_parameters_reach_the_refund(bench: Bench) -> None:
    paid = bench.router.charge(BOT, 10)
    bench.router.refund(BOT, paid.id, reason="duplicate", instructions_email="a@example.org")
    (refund,) = bench.world.objects("refund")
    assert (refund["reason"], refund["instructions_email"]) == ("duplicate", "a@example.org")


def test_a_refund_whose_answer_is_lost_is_made_once(bench: Bench) -> None:
    paid = bench.router.charge(BOT, 10)
    bench.fault("cut", "POST /v1/refunds", effect=True, times=3)
    done = bench.router.refund(BOT, paid.id, amount=4)
    assert (done.amount_minor, refunded(bench)) == (400, [400])


def test_a_refund_in_doubt_blocks_an_equal_one_and_is_found(bench: Bench) -> None:
    paid = bench.router.charge(BOT, 10)
    bench.fault("cut", "POST /v1/refunds", effect=True, times=None)
    for _ in range(2):
        with pytest.raises(OutcomeUnknownError) as told:
            bench.router.refund(BOT, paid.id, amount=4)
    bench.world.faults.clear()
    bench.world.advance(3600)
    assert bench.router.recover_operations().recorded == (told.value.operation_id,)
    entry = bench.entry()
    assert (entry.amount_minor, entry.status) == (400, "succeeded")
    assert refunded(bench) == [400]


@pytest.mark.parametrize("status", ["pending", "requires_action", "failed", "canceled", None])
def test_a_refund_that_is_under_way_has_given_nothing_back_yet(bench: Bench, status: Any) -> None:
    def change(line: str, body: dict[str, Any]) -> None:
        if line == "POST /v1/refunds":
            body["status"] = status

    paid = bench.router.charge(BOT, 10)
    bench.wire.change = change
    if status in ("failed", "canceled"):
        with pytest.raises(BillingError) as told:
            bench.router.refund(BOT, paid.id)
        assert told.value.money == "not_moved"
    else:
        done = bench.router.refund(BOT, paid.id, idempotency_key="k")
        assert (done.paid, done.amount_minor) == (False, 0)
        assert done.state == ("requires_action" if status == "requires_action" else "processing")
        again = bench.router.refund(BOT, paid.id, idempotency_key="k")
        assert (again.state, again.amount_minor) == ("succeeded", 1000)
    assert sum(e.amount_minor or 0 for e in bench.entries() if e.action_type == "refund") in (
        0,
        1000,
    )


def test_a_refund_that_waits_for_its_customer_is_not_taken_back_from_them(bench: Bench) -> None:
    """Stripe asks them for their bank's details, and gives them weeks."""

    def change(_: str, body: dict[str, Any]) -> None:
        if body.get("object") == "refund":
            body["status"] = "requires_action"

    paid = bench.router.charge(BOT, 10)
    bench.wire.change = change
    waits = bench.router.refund(BOT, paid.id)
    bench.world.advance(2 * DAY)
    assert bench.router.recover_operations().left == (waits.operation_id,)
    assert [line for line in bench.sent() if line.endswith("/cancel")] == []
    bench.wire.change = None
    bench.world.advance(DAY)
    assert bench.router.recover_operations().recorded == (waits.operation_id,)
    assert (bench.entry().status, bench.entry().amount_minor) == ("succeeded", 1000)
