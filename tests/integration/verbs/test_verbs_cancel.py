"""cancel(): what waits is ended; what was paid meanwhile is recorded as paid."""

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
    StripeUnavailableError,
)
from stripe_billing_router.sandbox import SANDBOX_SECRET_KEY, Fault
from tests.integration.verbs.verbs_bench import BOT, CARD, Bench


def waiting(bench: Bench, key: str | None = "k", **given: Any) -> str:
    """The operation of a charge that waits for its customer."""
    bench.world.set_outcome(CARD, "authentication_required")
    with pytest.raises(PaymentActionRequiredError) as told:
        bench.router.charge(BOT, **given, idempotency_key=key)
    return str(told.value.operation_id)


def customer_pays(bench: Bench) -> None:
    payment = bench.world.objects("payment_intent")[-1]
    bench.world.complete_action(payment["id"], payment_method="pm_card_visa")


both_flows = pytest.mark.parametrize("given", [{"amount": "19.99"}, {}], ids=["amount", "price"])


@both_flows
def test_a_charge_that_waits_is_ended(bench: Bench, given: dict[str, Any]) -> None:
    operation = waiting(bench, **given)
    done = bench.router.cancel(operation)
    assert (done.state, done.paid, done.operation_id) == ("canceled", False, operation)
    assert not bench.collectable()
    entry = bench.entry()
    assert (entry.status, entry.amount_minor, entry.error) == ("canceled", 0, 1)
    with pytest.raises(ValueError, match="cannot pay it"):
        customer_pays(bench)


@both_flows
def test_cancelling_twice_is_cancelling_once(bench: Bench, given: dict[str, Any]) -> None:
    operation = waiting(bench, **given)
    bench.router.cancel(operation)
    bench.forget_requests()
    assert bench.router.cancel(operation).state == "canceled"
    assert not bench.sent()
    assert len(bench.entries()) == 2


@both_flows
def test_a_canceled_charge_is_told_as_not_collected_under_its_key(
    bench: Bench, given: dict[str, Any]
) -> None:
    bench.router.cancel(waiting(bench, **given))
    with pytest.raises(PaymentDeclinedError, match="not collected") as told:
        bench.router.charge(BOT, **given, idempotency_key="k")
    assert told.value.money == "not_moved"
    bench.world.set_outcome(CARD, "succeeds")
    assert bench.router.charge(BOT, **given, idempotency_key="k2").paid


@both_flows
def test_what_was_paid_meanwhile_is_told_and_recorded_as_paid(
    bench: Bench, given: dict[str, Any]
) -> None:
    operation = waiting(bench, **given)
    customer_pays(bench)
    done = bench.router.cancel(operation)
    assert (done.state, done.paid, done.amount_minor) == ("succeeded", True, 1999)
    entry = bench.entry()
    assert (entry.status, entry.amount_minor, entry.error) == ("succeeded", 1999, 0)
    assert bench.collected() == [1999]


@both_flows
def test_what_is_paid_in_that_moment_is_told_as_paid(bench: Bench, given: dict[str, Any]) -> None:
    operation = waiting(bench, **given)
    bench.world.faults.add(
        Fault("call", match="POST *", call=lambda: customer_pays(bench)),
    )
    assert bench.router.cancel(operation).amount_minor == 1999
    assert bench.collected() == [1999]


@both_flows
def test_a_customer_cannot_pay_twice_if_the_bot_asks_again_without_a_key(
    bench: Bench, given: dict[str, Any]
) -> None:
    operation = waiting(bench, key=None, **given)
    bench.world.set_outcome(CARD, "succeeds")
    with pytest.raises(OutcomeUnknownError) as told:
        bench.router.charge(BOT, **given)
    assert told.value.operation_id == operation
    customer_pays(bench)
    with pytest.raises(OutcomeUnknownError):
        bench.router.charge(BOT, **given)
    assert bench.router.cancel(operation).paid
    assert bench.collected() == [1999]


@both_flows
def test_after_cancelling_the_bot_may_charge_again_and_only_that_is_collected(
    bench: Bench, given: dict[str, Any]
) -> None:
    bench.router.cancel(waiting(bench, key=None, **given))
    bench.world.set_outcome(CARD, "succeeds")
    assert bench.router.charge(BOT, **given).paid
    first = bench.world.objects("payment_intent")[0]
    with pytest.raises(ValueError, match="cannot pay it"):
        bench.world.complete_action(first["id"], payment_method="pm_card_visa")
    assert bench.collected() == [1999]


@both_flows
def test_cancelling_that_cannot_reach_stripe_says_so_and_may_be_repeated(
    bench: Bench, given: dict[str, Any]
) -> None:
    operation = waiting(bench, **given)
    bench.world.faults.add(Fault("unavailable", match="POST *", times=None))
    with pytest.raises(StripeUnavailableError) as told:
        bench.router.cancel(operation)
    assert (told.value.operation_id, told.value.money) == (operation, "unknown")
    bench.world.faults.clear()
    assert bench.router.cancel(operation).state == "canceled"


@both_flows
def test_a_refusal_that_came_too_early_is_not_replayed_for_ever(
    bench: Bench, given: dict[str, Any]
) -> None:
    operation = waiting(bench, **given)
    bench.world.faults.add(Fault("lock_timeout", match="POST *", times=1))
    assert bench.router.cancel(operation).state == "canceled"


@pytest.mark.parametrize(
    "operation_id",
    ["op_0", "", None, 5, ["op_0"], "op_\0", "op_\ud800", "x" * 5000, "'; DROP TABLE x", b"op_0"],
)
def test_an_operation_that_does_not_exist_is_refused(bench: Bench, operation_id: Any) -> None:
    with pytest.raises(InvalidRequestError) as told:
        bench.router.cancel(operation_id)
    assert told.value.parameter == "operation_id"
    assert not bench.sent()


def test_an_operation_that_is_finished_is_refused(bench: Bench) -> None:
    done = bench.router.charge(BOT, 5)
    bench.world.set_outcome(CARD, "declined:expired_card")
    with pytest.raises(PaymentDeclinedError) as declined:
        bench.router.charge(BOT, 6)
    for operation in (done.operation_id, declined.value.operation_id):
        with pytest.raises(InvalidRequestError, match="refund") as told:
            bench.router.cancel(operation or "")
        assert told.value.operation_id == operation
    assert bench.collected() == [500]


def test_an_operation_in_doubt_cannot_be_cancelled(bench: Bench) -> None:
    bench.world.faults.add(Fault("cut", match="POST *", effect=True, times=None))
    with pytest.raises(OutcomeUnknownError) as told:
        bench.router.charge(BOT, 5)
    with pytest.raises(InvalidRequestError):
        bench.router.cancel(told.value.operation_id or "")


def test_a_payment_that_a_bank_is_making_is_not_canceled(bench: Bench) -> None:
    bench.world.set_outcome(CARD, "processing")
    by: tuple[dict[str, Any], ...] = ({"amount": "19.99"}, {})
    for given in by:
        done = bench.router.charge(BOT, **given)
        assert bench.router.cancel(done.operation_id or "").state == "processing"
    for payment in bench.world.objects("payment_intent"):
        bench.world.settle_processing(payment["id"])
    assert bench.collected() == [1999, 1999]


@both_flows
def test_a_key_that_stripe_refuses_does_not_look_like_a_cancellation(
    bench: Bench, given: dict[str, Any]
) -> None:
    operation = waiting(bench, **given)
    bench.world.revoke_key(SANDBOX_SECRET_KEY)
    with pytest.raises(BillingError) as told:
        bench.router.cancel(operation)
    assert isinstance(told.value, StripeRequestError)
    assert told.value.operation_id == operation
    assert [entry.status for entry in bench.entries()] == ["requires_action"]
    bench.world.add_key(SANDBOX_SECRET_KEY)
    assert bench.router.cancel(operation).state == "canceled"
