"""Subscriptions: the first payment decides, unless the caller says otherwise."""

from __future__ import annotations

from typing import Any

import pytest

from stripe_billing_router.errors import (
    BillingError,
    InvalidRequestError,
    OutcomeUnknownError,
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
    POOR,
    Bench,
)

CREATE = "POST /v1/subscriptions"


def waiting(bench: Bench, key: str | None = "k") -> Any:
    """A subscription whose first payment waits for its customer."""
    bench.world.set_outcome(CARD, "authentication_required")
    return bench.router.create_subscription(
        MEMBER, payment_behavior="allow_incomplete", idempotency_key=key
    )


def first_payment(bench: Bench) -> str:
    (payment,) = bench.world.objects("payment_intent")
    return str(payment["id"])


def test_route_and_customer_are_the_route_s(bench: Bench) -> None:
    done = bench.router.create_subscription(MEMBER)
    assert (done["customer"], done.status, done.paid) == (CUSTOMER, "active", True)
    (item,) = done["items"]["data"]
    assert (item["price"]["id"], item["quantity"]) == (MONTHLY, 1)
    assert bench.collected() == [500]


def test_price_customer_and_quantity_may_be_given(bench: Bench) -> None:
    bench.world.add_price("price_yearly", unit_amount=5000, interval="year")
    done = bench.router.create_subscription(
        BOT, price_id="price_yearly", customer_id=OTHER, quantity=3
    )
    assert (done["customer"], done.amount_minor) == (OTHER, 15000)
    (effect,) = bench.world.effects()
    assert (effect["customer"], effect["payment_method"]) == (OTHER, "pm_two")


def test_a_one_time_price_is_refused_before_anything_is_written(bench: Bench) -> None:
    both: list[dict[str, Any]] = [{}, {"price_id": ONCE}]
    for given in both:
        with pytest.raises(InvalidRequestError, match="one-time price"):
            bench.router.create_subscription(BOT, **given)
    assert not bench.entries()
    assert not bench.sent()


def test_a_price_in_another_currency_than_the_route_s_is_refused(bench: Bench) -> None:
    with pytest.raises(InvalidRequestError, match="price_monthly is in usd, the route in eur"):
        bench.router.create_subscription(EURO, price_id=MONTHLY)
    assert not bench.entries()


def test_the_currency_is_the_price_s_whatever_the_customer_s_may_be(bench: Bench) -> None:
    bench.router.create_subscription(MEMBER)
    assert bench.world.requests[-1].params["currency"] == "usd"


@pytest.mark.parametrize("outcome", ["declined:insufficient_funds", "authentication_required"])
def test_a_first_payment_that_fails_creates_nothing_by_default(bench: Bench, outcome: str) -> None:
    bench.world.set_outcome(CARD, outcome)
    with pytest.raises(PaymentDeclinedError) as told:
        bench.router.create_subscription(MEMBER)
    assert told.value.money == "not_moved"
    assert bench.world.requests[-1].params["payment_behavior"] == "error_if_incomplete"
    assert not bench.world.objects("subscription")
    assert not bench.collectable()
    entry = bench.entry()
    assert (entry.action_type, entry.error, entry.amount_minor) == ("subscription", 1, 0)


def test_a_customer_without_a_card_gets_no_subscription(bench: Bench) -> None:
    with pytest.raises(StripeRequestError):
        bench.router.create_subscription(POOR, price_id=MONTHLY)
    assert not bench.world.objects("subscription")


def test_one_that_may_be_incomplete_waits_with_what_a_front_end_needs(bench: Bench) -> None:
    done = waiting(bench)
    assert (done.state, done.status, done.paid) == ("requires_action", "incomplete", False)
    secret = done["latest_invoice"]["confirmation_secret"]["client_secret"]
    assert secret == bench.world.get(first_payment(bench))["client_secret"]
    entry = bench.entry()
    assert (entry.status, entry.amount_minor, entry.error) == ("requires_action", 0, 0)
    assert secret not in str(entry.raw_event_json)


def test_one_that_waits_is_found_paid_once_its_customer_has_acted(bench: Bench) -> None:
    done = waiting(bench)
    bench.world.complete_action(first_payment(bench))
    again = bench.router.create_subscription(
        MEMBER, payment_behavior="allow_incomplete", idempotency_key="k"
    )
    assert (again.id, again.state, again.paid) == (done.id, "succeeded", True)
    assert [entry.amount_minor for entry in bench.entries()] == [0, 500]


def test_one_that_waits_blocks_an_equal_call_without_a_key(bench: Bench) -> None:
    first = waiting(bench, key=None)
    with pytest.raises(OutcomeUnknownError) as told:
        waiting(bench, key=None)
    assert told.value.operation_id == first.operation_id
    assert len(bench.world.objects("subscription")) == 1


def test_cancelling_one_that_waits_leaves_nothing_payable(bench: Bench) -> None:
    done = waiting(bench)
    ended = bench.router.cancel(done.operation_id)
    assert (ended.id, ended.state, ended.paid) == (done.id, "canceled", False)
    assert bench.collectable() == []
    assert [(e.status, e.error) for e in bench.entries()] == [
        ("requires_action", 0),
        ("canceled", 1),
    ]
    bench.world.advance(40 * DAY)
    bench.dashboard.v1.balance.retrieve()
    assert bench.collected() == []


def test_cancelling_one_that_was_paid_meanwhile_keeps_it(bench: Bench) -> None:
    done = waiting(bench)
    bench.world.complete_action(first_payment(bench))
    ended = bench.router.cancel(done.operation_id)
    assert (ended.state, ended.paid, ended.amount_minor) == ("succeeded", True, 500)
    assert bench.world.get(done.id)["status"] == "active"
    assert bench.entry().amount_minor == 500


def test_cancelling_one_that_is_paid_in_that_moment_keeps_it(bench: Bench) -> None:
    done = waiting(bench)
    bench.world.faults.add(
        Fault(
            "call",
            match="POST /v1/invoices/*/void",
            call=lambda: bench.world.complete_action(first_payment(bench)),
        )
    )
    ended = bench.router.cancel(done.operation_id)
    assert (ended.state, ended.amount_minor) == ("succeeded", 500)
    assert bench.world.get(done.id)["status"] == "active"


def test_a_cancellation_that_broke_off_is_finished_by_the_next(bench: Bench) -> None:
    done = waiting(bench)
    bench.fault("unavailable", "DELETE /v1/subscriptions/*", times=None)
    with pytest.raises(BillingError) as told:
        bench.router.cancel(done.operation_id)
    assert told.value.operation_id == done.operation_id
    bench.world.faults.clear()
    assert bench.router.cancel(done.operation_id).state == "canceled"
    assert bench.collectable() == []


def test_one_that_nobody_finished_is_ended_after_a_day(bench: Bench) -> None:
    waiting(bench)
    bench.world.advance(DAY + 60)
    assert len(bench.router.recover_operations().canceled) == 1
    assert bench.entry().status == "canceled"
    assert bench.collectable() == []


def test_one_that_a_bank_is_paying_is_recorded_when_it_has(bench: Bench) -> None:
    bench.world.set_outcome(CARD, "processing")
    done = bench.router.create_subscription(MEMBER, idempotency_key="k")
    assert (done.status, done.state, done.paid) == ("active", "processing", False)
    bench.world.settle_processing(first_payment(bench))
    again = bench.router.create_subscription(MEMBER, idempotency_key="k")
    assert (again.state, again.amount_minor) == ("succeeded", 500)
    assert bench.entry().amount_minor == 500


def test_a_trial_collects_nothing_yet(bench: Bench) -> None:
    done = bench.router.create_subscription(MEMBER, trial_period_days=14)
    assert (done.status, done.state, done.paid, done.amount_minor) == (
        "trialing",
        "succeeded",
        False,
        0,
    )
    assert bench.collected() == []


@pytest.mark.parametrize("behavior", [None, "allow_incomplete"])
@pytest.mark.parametrize("effect", [True, False])
def test_one_cut_off_is_recorded_as_what_it_collected_or_excluded(
    bench: Bench, behavior: str | None, effect: bool
) -> None:
    given: dict[str, Any] = {} if behavior is None else {"payment_behavior": behavior}
    bench.fault("cut", CREATE, effect=effect, times=None)
    with pytest.raises(OutcomeUnknownError):
        bench.router.create_subscription(MEMBER, **given)
    bench.world.faults.clear()
    bench.world.advance(3600)
    bench.router.recover_operations()
    entry = bench.entry()
    assert (entry.status, entry.amount_minor) == (
        ("succeeded", 500) if effect else ("abandoned", 0)
    )
    assert bench.collected() == ([500] if effect else [])
    assert bench.collectable() == []


@pytest.mark.parametrize(
    "refusing", [None, "POST /v1/invoices/*/void", "DELETE /v1/subscriptions/*"]
)
def test_one_left_incomplete_by_a_crash_does_not_stay_payable(
    bench: Bench, refusing: str | None
) -> None:
    bench.world.set_outcome(CARD, "authentication_required")
    bench.fault("cut", CREATE, effect=True, times=None)
    with pytest.raises(OutcomeUnknownError):
        waiting(bench, key=None)
    bench.world.faults.clear()
    bench.world.advance(3600)
    if refusing:
        bench.fault("unavailable", refusing, times=20)
        bench.router.recover_operations()
        bench.world.faults.clear()
        bench.world.advance(3600)
    bench.router.recover_operations()
    assert bench.entry().status == "abandoned"
    assert bench.collectable() == []


def test_one_left_incomplete_by_a_crash_and_paid_since_is_recorded(bench: Bench) -> None:
    bench.fault("cut", CREATE, effect=True, times=None)
    with pytest.raises(OutcomeUnknownError):
        waiting(bench, key=None)
    bench.world.faults.clear()
    bench.world.advance(3600)
    bench.world.complete_action(first_payment(bench))
    bench.router.recover_operations()
    entry = bench.entry()
    assert (entry.status, entry.amount_minor) == ("succeeded", 500)
