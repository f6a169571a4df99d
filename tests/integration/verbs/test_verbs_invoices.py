"""Charging by price: one invoice, paid or taken down; nothing is left that could be collected."""

from __future__ import annotations

from typing import Any

import pytest

from stripe_billing_router.errors import (
    BillingError,
    InvalidRequestError,
    OutcomeUnknownError,
    PaymentActionRequiredError,
    PaymentDeclinedError,
    StripeRequestError,
)
from stripe_billing_router.sandbox import Fault
from tests.integration.verbs.verbs_bench import (
    BOT,
    CARD,
    CUSTOMER,
    DAY,
    EURO,
    MEMBER,
    MONTHLY,
    ONCE,
    OTHER,
    YEN,
    Bench,
)

ITEM = "POST /v1/invoiceitems"
FINALIZE = "POST /v1/invoices/*/finalize"
PAY = "POST /v1/invoices/*/pay"
VOID = "POST /v1/invoices/*/void"
DELETE_DRAFT = "DELETE /v1/invoices/*"
DELETE_ITEM = "DELETE /v1/invoiceitems/*"


def refuse(bench: Bench, match: str, status: int = 400) -> None:
    """Let Stripe refuse the next request that matches, as a request that it does not accept."""
    error = {"type": "invalid_request_error", "message": "No.", "code": "no"}
    bench.wire.refuse(match, status, {"error": error})


def nothing_is_collected_later(bench: Bench) -> bool:
    """Nothing is payable now, and weeks later no more has been collected than now."""
    now = bench.collected()
    assert bench.collectable() == []
    for _ in range(5):
        bench.world.advance(9 * DAY)
        bench.dashboard.v1.balance.retrieve()
    return bench.collected() == now


def test_a_price_is_collected_and_recorded_as_it_was_collected(bench: Bench) -> None:
    done = bench.router.charge(BOT, description="Five reports", quantity=5)
    assert (done.amount_minor, done.paid, bench.collected()) == (9995, True, [9995])
    assert (done["description"], bench.entry().amount_minor) == ("Five reports", 9995)
    assert nothing_is_collected_later(bench)


def test_a_charge_of_nothing_but_a_bot_bills_the_price_of_its_route(bench: Bench) -> None:
    done = bench.router.charge(BOT)
    (line,) = done["lines"]["data"]
    assert line["pricing"]["price_details"]["price"] == ONCE
    assert bench.collected() == [1999]


def test_an_amount_is_one_payment_even_where_the_route_has_a_price(bench: Bench) -> None:
    assert bench.router.charge(BOT, amount=10.0).amount_minor == 1000
    assert (bench.collected(), bench.world.objects("invoice")) == ([1000], [])


def test_a_price_needs_no_amount(bench: Bench) -> None:
    bench.world.add_price("price_other", unit_amount=300)
    assert bench.router.charge(BOT, price_id="price_other").amount_minor == 300
    assert bench.collected() == [300]


def test_each_request_of_an_invoice_has_a_key_of_its_own(bench: Bench) -> None:
    bench.router.charge(BOT, idempotency_key="k")
    keys = [request.idempotency_key for request in bench.world.requests]
    assert len(set(keys)) == len(keys) == 4


def test_the_item_is_on_the_invoice_that_is_paid(bench: Bench) -> None:
    done = bench.router.charge(BOT)
    (item,) = bench.world.objects("invoiceitem")
    assert item["invoice"] == done.id
    assert (item["amount"], item["discountable"]) == (1999, False)


def test_other_pending_items_of_the_customer_are_not_collected(bench: Bench) -> None:
    pending = bench.dashboard.v1.invoice_items.create(
        {"customer": CUSTOMER, "amount": 77_700, "currency": "usd"}
    )
    assert bench.router.charge(BOT).amount_minor == 1999
    assert bench.collected() == [1999]
    assert bench.world.get(pending.id)["invoice"] is None


def test_the_draft_takes_no_discounts_and_never_advances_by_itself(bench: Bench) -> None:
    done = bench.router.charge(BOT)
    draft = next(r for r in bench.world.requests if r.path == "/v1/invoices")
    assert draft.params["discounts"] == ""
    assert draft.params["pending_invoice_items_behavior"] == "exclude"
    assert draft.params["auto_advance"] == "false"
    assert done["auto_advance"] is False


def test_the_given_customer_and_card_are_billed(bench: Bench) -> None:
    bench.world.add_payment_method("pm_second", customer=OTHER)
    done = bench.router.charge(BOT, customer_id=OTHER, payment_method_id="pm_second")
    (effect,) = bench.world.effects()
    assert (effect["customer"], effect["payment_method"]) == (OTHER, "pm_second")
    assert done["customer"] == OTHER


# -- prices that do not fit ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bot", "given", "why"),
    [
        (EURO, {}, "price_once is in usd, the route in eur"),
        (YEN, {"price_id": ONCE}, "is in usd, the route in jpy"),
        (MEMBER, {}, "recurring"),
        (BOT, {"price_id": MONTHLY}, "recurring"),
        (BOT, {"amount": 5, "price_id": ONCE}, "exclude each other"),
        (BOT, {"amount": 5, "quantity": 2}, "quantity"),
        (BOT, {"quantity": 0}, "quantity"),
        (BOT, {"quantity": -1}, "quantity"),
        (BOT, {"quantity": 1.5}, "quantity"),
        (BOT, {"quantity": True}, "quantity"),
        (BOT, {"quantity": 10**7}, "quantity"),
        (BOT, {"on_session": True}, "on_session"),
        (BOT, {"price_id": "prod_1"}, "price_"),
        (BOT, {"price_id": "price_1/../x"}, "price_"),
        (BOT, {"customer_id": "price_1"}, "cus_"),
    ],
)
def test_a_price_that_does_not_fit_is_refused_before_anything_is_written(
    bench: Bench, bot: str, given: dict[str, Any], why: str
) -> None:
    with pytest.raises(InvalidRequestError, match=why):
        bench.router.charge(bot, **given)
    assert not bench.entries()
    assert not bench.sent()


def test_a_price_that_does_not_exist_is_refused_before_anything_is_written(bench: Bench) -> None:
    with pytest.raises(StripeRequestError, match="price_absent") as told:
        bench.router.charge(BOT, price_id="price_absent")
    assert told.value.money == "not_moved"
    assert (bench.entries(), bench.sent()) == ([], ["GET /v1/prices/*"])


def test_a_price_with_the_route_s_currency_among_others_is_billed_in_it(bench: Bench) -> None:
    done = bench.router.charge(EURO, price_id="price_two_currencies", quantity=2)
    assert (done.amount_minor, done.currency) == (1800, "eur")
    assert (bench.entry().amount_minor, bench.entry().currency) == (1800, "eur")


def test_a_route_without_a_currency_of_its_own_takes_the_price_s(bench: Bench) -> None:
    done = bench.router.charge(BOT, price_id="price_yen")
    assert (done.amount_minor, str(done.amount), done.currency) == (1000, "1000", "jpy")


# -- nothing left collectable -------------------------------------------------------------------


@pytest.mark.parametrize("step", [ITEM, FINALIZE, PAY])
def test_an_invoice_refused_at_any_step_is_taken_down(bench: Bench, step: str) -> None:
    refuse(bench, step)
    with pytest.raises(StripeRequestError) as told:
        bench.router.charge(BOT, idempotency_key="k")
    assert (told.value.money, told.value.code) == ("not_moved", "no")
    assert bench.entry().status == "failed"
    assert nothing_is_collected_later(bench)
    with pytest.raises(StripeRequestError):
        bench.router.charge(BOT, idempotency_key="k")
    assert bench.router.charge(BOT).paid
    assert bench.collected() == [1999]


def test_a_draft_goes_with_its_item(bench: Bench) -> None:
    refuse(bench, FINALIZE)
    with pytest.raises(StripeRequestError):
        bench.router.charge(BOT)
    assert bench.sent()[-2:] == [DELETE_ITEM, DELETE_DRAFT]
    assert not bench.world.objects("invoiceitem")
    assert not bench.world.objects("invoice")


@pytest.mark.parametrize("code", ["insufficient_funds", "expired_card", "generic_decline"])
def test_a_declined_invoice_is_voided_and_not_collected_later(bench: Bench, code: str) -> None:
    bench.world.set_outcome(CARD, f"declined:{code}")
    with pytest.raises(PaymentDeclinedError):
        bench.router.charge(BOT)
    bench.world.set_outcome(CARD, "succeeds")
    assert bench.sent()[-1] == VOID
    assert nothing_is_collected_later(bench)
    assert bench.router.charge(BOT).paid
    assert bench.collected() == [1999]


def test_a_customer_without_a_card_owes_nothing_afterwards(bench: Bench) -> None:
    with pytest.raises(StripeRequestError) as told:
        bench.router.charge("finance:poor")
    assert told.value.money == "not_moved"
    assert nothing_is_collected_later(bench)


def test_an_invoice_that_waits_is_recorded_and_voided_after_a_day(bench: Bench) -> None:
    bench.world.set_outcome(CARD, "authentication_required")
    with pytest.raises(PaymentActionRequiredError):
        bench.router.charge(BOT)
    assert [entry.status for entry in bench.entries()] == ["requires_action"]
    bench.world.advance(DAY + 60)
    report = bench.router.recover_operations()
    assert len(report.canceled) == 1
    assert [entry.status for entry in bench.entries()] == ["requires_action", "canceled"]
    assert nothing_is_collected_later(bench)


def test_a_voided_invoice_that_was_paid_meanwhile_is_recorded_as_paid(bench: Bench) -> None:
    bench.world.set_outcome(CARD, "declined:insufficient_funds")

    def customer_pays() -> None:
        (payment,) = bench.world.objects("payment_intent")
        bench.world.complete_action(payment["id"], payment_method="pm_card_visa")

    bench.world.faults.add(Fault("call", match=VOID, call=customer_pays))
    done = bench.router.charge(BOT, idempotency_key="k")
    assert (done.paid, done.amount_minor, done.state) == (True, 1999, "succeeded")
    assert (bench.entry().amount_minor, bench.collected()) == (1999, [1999])
    assert nothing_is_collected_later(bench)


def test_an_invoice_that_a_bank_is_paying_is_processing_and_then_paid(bench: Bench) -> None:
    bench.world.set_outcome(CARD, "processing")
    done = bench.router.charge(BOT, idempotency_key="k")
    assert (done.state, done.paid, done.amount_minor) == ("processing", False, 0)
    (payment,) = bench.world.objects("payment_intent")
    bench.world.settle_processing(payment["id"])
    again = bench.router.charge(BOT, idempotency_key="k")
    assert (again.state, again.paid, again.amount_minor) == ("succeeded", True, 1999)
    assert [entry.amount_minor for entry in bench.entries()] == [0, 1999]


def test_an_invoice_that_a_bank_refuses_late_is_voided_and_told_as_declined(bench: Bench) -> None:
    bench.world.set_outcome(CARD, "processing")
    bench.router.charge(BOT, idempotency_key="k")
    (payment,) = bench.world.objects("payment_intent")
    bench.world.settle_processing(payment["id"], succeed=False)
    for _ in range(2):
        with pytest.raises(PaymentDeclinedError) as told:
            bench.router.charge(BOT, idempotency_key="k")
        assert told.value.decline_code == "insufficient_funds"
    assert [entry.status for entry in bench.entries()] == ["processing", "failed"]
    assert nothing_is_collected_later(bench)


def test_a_draft_that_somebody_finalized_meanwhile_is_voided(bench: Bench) -> None:
    def finalized_by_hand() -> None:
        (invoice,) = bench.world.objects("invoice")
        bench.dashboard.v1.invoices.finalize_invoice(invoice["id"])

    refuse(bench, FINALIZE)
    bench.world.faults.add(Fault("call", match=DELETE_ITEM, call=finalized_by_hand))
    with pytest.raises(StripeRequestError):
        bench.router.charge(BOT)
    assert bench.sent()[-1] == VOID
    assert nothing_is_collected_later(bench)


def test_an_item_that_cannot_be_deleted_is_not_set_free_by_deleting_its_draft(
    bench: Bench,
) -> None:
    refuse(bench, FINALIZE)
    refuse(bench, DELETE_ITEM)
    with pytest.raises(StripeRequestError):
        bench.router.charge(BOT)
    assert DELETE_DRAFT not in bench.sent()
    assert bench.entry().status == "failed"
    (item,) = bench.world.objects("invoiceitem")
    assert item["invoice"] is not None


def test_an_open_invoice_that_refuses_to_be_voided_is_recorded_as_being_paid(
    bench: Bench,
) -> None:
    refuse(bench, PAY)
    refuse(bench, VOID)
    done = bench.router.charge(BOT, idempotency_key="k")
    assert (done.state, done.paid, bench.entry().error) == ("processing", False, 0)
    result = bench.router.cancel(done.operation_id or "")
    assert result.state == "canceled"
    assert nothing_is_collected_later(bench)


def test_what_is_under_stripe_s_minimum_is_recorded_as_not_collected(bench: Bench) -> None:
    bench.world.add_price("price_tiny", unit_amount=20)
    done = bench.router.charge(BOT, price_id="price_tiny")
    assert (done.state, done.status, done.paid) == ("succeeded", "paid", False)
    assert (done.amount_minor, bench.collected()) == (0, [])
    assert bench.sent()[-1] == FINALIZE


# -- crashes and doubt --------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["POST /v1/invoices", ITEM, FINALIZE, PAY])
@pytest.mark.parametrize("effect", [True, False])
def test_an_invoice_cut_off_at_any_step_is_resumed_and_collected_once(
    bench: Bench, step: str, effect: bool
) -> None:
    bench.fault("cut", step, effect=effect, times=None)
    with pytest.raises(OutcomeUnknownError) as told:
        bench.router.charge(BOT, idempotency_key="k")
    assert told.value.money == "unknown"
    bench.world.faults.clear()
    done = bench.router.charge(BOT, idempotency_key="k")
    assert (done.paid, done.operation_id) == (True, told.value.operation_id)
    assert bench.collected() == [1999]
    assert nothing_is_collected_later(bench)


@pytest.mark.parametrize("step", ["POST /v1/invoices", ITEM, FINALIZE, PAY])
@pytest.mark.parametrize("effect", [True, False])
@pytest.mark.parametrize("keyed", [True, False])
def test_an_invoice_cut_off_at_any_step_is_taken_down_or_recorded_when_it_is_too_old(
    bench: Bench, step: str, effect: bool, keyed: bool
) -> None:
    bench.fault("cut", step, effect=effect, times=None)
    with pytest.raises(OutcomeUnknownError):
        bench.router.charge(BOT, idempotency_key="k" if keyed else None)
    bench.world.faults.clear()
    bench.world.advance(3600)
    bench.router.recover_operations()
    paid = step == PAY and effect
    assert bench.collected() == ([1999] if paid else [])
    assert bench.entry().status == ("succeeded" if paid else "abandoned")
    assert nothing_is_collected_later(bench)
    assert bench.router.charge(BOT, idempotency_key="k" if keyed else None).paid
    assert bench.collected() == ([1999] * (1 if paid and keyed else 2 if paid else 1))


def test_a_resume_after_everything_was_taken_down_starts_a_new_invoice(bench: Bench) -> None:
    bench.fault("cut", PAY, times=None)
    with pytest.raises(OutcomeUnknownError):
        bench.router.charge(BOT, idempotency_key="k")
    bench.world.faults.clear()
    bench.world.advance(3600)
    bench.router.recover_operations()
    first = bench.world.objects("invoice")[0]
    done = bench.router.charge(BOT, idempotency_key="k")
    assert (done.paid, first["status"]) == (True, "void")
    assert done.id != first["id"]


def test_taking_down_that_breaks_off_is_finished_by_recovery(bench: Bench) -> None:
    bench.world.set_outcome(CARD, "declined:insufficient_funds")
    bench.fault("unavailable", VOID, times=None)
    with pytest.raises(BillingError) as told:
        bench.router.charge(BOT)
    assert told.value.money == "unknown"
    bench.world.faults.clear()
    bench.world.set_outcome(CARD, "succeeds")
    bench.world.advance(3600)
    bench.router.recover_operations()
    assert nothing_is_collected_later(bench)
    assert not bench.collected()


@pytest.mark.parametrize("keyed", [True, False])
def test_the_item_of_a_draft_that_somebody_deleted_is_not_collected_later(
    bench: Bench, keyed: bool
) -> None:
    def deleted_by_hand() -> None:
        (invoice,) = bench.world.objects("invoice")
        bench.dashboard.v1.invoices.delete(invoice["id"])

    if keyed:
        bench.world.faults.add(Fault("call", match=FINALIZE, call=deleted_by_hand))
        with pytest.raises(StripeRequestError):
            bench.router.charge(BOT, idempotency_key="k")
    else:
        bench.fault("cut", FINALIZE, times=None)
        with pytest.raises(OutcomeUnknownError):
            bench.router.charge(BOT)
        bench.world.faults.clear()
        deleted_by_hand()
        bench.world.advance(3600)
        bench.router.recover_operations()
    assert nothing_is_collected_later(bench)


def test_a_debt_that_stripe_carried_over_is_recorded_where_it_is_collected(bench: Bench) -> None:
    bench.world.add_price("price_tiny", unit_amount=20)
    bench.router.charge(BOT, price_id="price_tiny")
    assert bench.router.charge(BOT).amount_minor == 2019
    assert bench.collected() == [2019]
    assert [entry.amount_minor for entry in bench.entries()] == [0, 2019]
