"""Declines, customers who have to act, and payments that are on their way."""

from __future__ import annotations

import pickle
import traceback
from typing import Any

import pytest

from stripe_billing_router.errors import (
    BillingError,
    OutcomeUnknownError,
    PaymentActionRequiredError,
    PaymentDeclinedError,
)
from stripe_billing_router.testing import SANDBOX_PUBLIC_KEY
from tests.integration.charge.charge_bench import BOT, CANCEL, CARD, Bench


def intents(bench: Bench) -> list[str]:
    """The status of every payment intent that is not paid."""
    found = [str(p["status"]) for p in bench.world.objects("payment_intent")]
    return [status for status in found if status != "succeeded"]


def everything_in(error: BaseException) -> str:
    shown = "".join(traceback.format_exception(error))
    return f"{error!s} {error!r} {error.__dict__} {shown} {pickle.dumps(error)!r}"


@pytest.mark.parametrize(
    ("outcome", "code", "decline_code"),
    [
        ("declined:insufficient_funds", "card_declined", "insufficient_funds"),
        ("declined:expired_card", "expired_card", None),
        ("declined:incorrect_zip", "incorrect_zip", None),
        ("declined:processing_error", "processing_error", "generic_decline"),
        ("declined", "card_declined", "generic_decline"),
    ],
)
def test_a_decline_says_why_and_leaves_nothing_payable(
    bench: Bench, outcome: str, code: str, decline_code: str | None
) -> None:
    router = bench.warm()
    bench.world.set_outcome(CARD, outcome)
    with pytest.raises(PaymentDeclinedError) as told:
        router.charge(BOT, 5)
    error = told.value
    assert (error.code, error.decline_code, error.money) == (code, decline_code, "not_moved")
    assert error.operation_id == bench.operations()[0]["operation_id"]
    assert error.request_id
    assert bench.world.get(str(error.stripe_id))["status"] == "canceled"
    assert intents(bench) == ["canceled"]
    assert bench.states() == ["failed"]
    (entry,) = (e for e in router.ledger.entries() if e.id == error.stripe_id)
    assert (entry.error, entry.status, entry.amount_minor) == (1, "failed", 0)


def test_a_decline_exposes_no_client_secret(bench: Bench) -> None:
    router = bench.warm()
    bench.world.set_outcome(CARD, "declined")
    with pytest.raises(PaymentDeclinedError) as told:
        router.charge(BOT, 5)
    assert "_secret_" not in everything_in(told.value)
    assert not hasattr(told.value, "client_secret")
    assert b"_secret_" not in bench.stored()


def test_an_equal_keyless_charge_may_follow_a_decline(bench: Bench) -> None:
    router = bench.warm()
    bench.world.set_outcome(CARD, "declined")
    with pytest.raises(PaymentDeclinedError):
        router.charge(BOT, 5)
    bench.world.set_outcome(CARD, "succeeds")
    assert router.charge(BOT, 5).paid
    assert bench.moved() == [500]


def test_a_decline_whose_cancelling_is_in_doubt_is_finished_by_a_repeat(bench: Bench) -> None:
    router = bench.warm()
    bench.world.set_outcome(CARD, "declined:lost_card")
    bench.fault("cut", CANCEL, times=None)
    with pytest.raises(OutcomeUnknownError):
        router.charge(BOT, 5, idempotency_key="k")
    assert intents(bench) == ["requires_payment_method"]
    bench.world.faults.clear()
    with pytest.raises(PaymentDeclinedError) as told:
        router.charge(BOT, 5, idempotency_key="k")
    assert told.value.decline_code == "lost_card"
    assert intents(bench) == ["canceled"]
    assert len(bench.sent()) == 1


def test_a_declined_payment_that_the_customer_pays_meanwhile_is_a_payment(bench: Bench) -> None:
    router = bench.warm()
    bench.world.set_outcome(CARD, "declined")

    def pay() -> None:
        bench.world.complete_action(bench.world.objects("payment_intent")[-1]["id"])

    bench.fault("call", CANCEL, call=pay)
    assert router.charge(BOT, 5).paid
    assert bench.moved() == bench.booked(router) == [500]


def test_authentication_required_tells_a_front_end_what_it_needs(bench: Bench) -> None:
    router = bench.warm()
    bench.world.set_outcome(CARD, "authentication_required")
    with pytest.raises(PaymentActionRequiredError) as told:
        router.charge(BOT, 5)
    error = told.value
    payment = bench.world.get(str(error.stripe_id))
    assert error.client_secret == payment["client_secret"]
    assert error.public_key == SANDBOX_PUBLIC_KEY
    assert (error.money, error.status) == ("not_moved", payment["status"])
    assert str(error.client_secret) not in f"{error} {error!r}"
    assert bench.states() == ["requires_action"]
    assert b"_secret_" not in bench.stored()


def test_without_any_payment_method_the_customer_has_to_act(bench: Bench) -> None:
    router = bench.warm()
    with pytest.raises(PaymentActionRequiredError) as told:
        router.charge("finance:poor", 5, idempotency_key="k")
    assert told.value.client_secret
    assert told.value.status == "requires_payment_method"
    assert bench.moved() == []
    bench.world.complete_action(str(told.value.stripe_id))
    done = router.charge("finance:poor", 5, idempotency_key="k")
    assert (done.id, done.paid) == (told.value.stripe_id, True)
    assert bench.moved() == bench.booked(router) == [500]


def test_on_session_returns_the_payment_for_a_front_end(bench: Bench) -> None:
    router = bench.warm()
    started = router.charge(BOT, 5, on_session=True, idempotency_key="k")
    assert (started.paid, started.state) == (False, "requires_action")
    assert started.amount_minor == 0
    payment = bench.world.get(started.id)
    assert started["client_secret"] == payment["client_secret"]
    assert started.status == payment["status"] == "requires_payment_method"
    assert bench.moved() == []


@pytest.mark.parametrize("given", [{}, {"payment_method_id": CARD}])
def test_an_on_session_payment_is_reread_once_a_repeat_until_it_is_paid(
    bench: Bench, given: dict[str, Any]
) -> None:
    router = bench.warm()
    started = router.charge(BOT, 5, on_session=True, idempotency_key="k", **given)
    bench.world.requests.clear()
    waiting = router.charge(BOT, 5, on_session=True, idempotency_key="k", **given)
    assert (waiting.paid, waiting["client_secret"]) == (False, started["client_secret"])
    assert [r.method for r in bench.world.requests] == ["GET"]
    bench.world.complete_action(started.id)
    done = router.charge(BOT, 5, on_session=True, idempotency_key="k", **given)
    assert (done.id, done.paid, done.state, done.amount_minor) == (
        started.id,
        True,
        "succeeded",
        500,
    )
    bench.world.requests.clear()
    router.charge(BOT, 5, on_session=True, idempotency_key="k", **given)
    assert bench.world.requests == []
    assert bench.states() == ["succeeded"]
    assert bench.moved() == bench.booked(router) == [500]


def test_a_customer_who_acted_settles_the_call_that_waited(bench: Bench) -> None:
    router = bench.warm()
    bench.world.set_outcome(CARD, "authentication_required")
    with pytest.raises(PaymentActionRequiredError) as told:
        router.charge(BOT, 5, idempotency_key="k")
    bench.world.complete_action(str(told.value.stripe_id), payment_method="pm_card_visa")
    done = router.charge(BOT, 5, idempotency_key="k")
    assert (done.id, done.paid) == (told.value.stripe_id, True)
    assert bench.moved() == bench.booked(router) == [500]


def test_a_waiting_payment_still_tells_its_secret_to_a_repeat(bench: Bench) -> None:
    router = bench.warm()
    bench.world.set_outcome(CARD, "authentication_required")
    secrets = []
    for asking in (router, bench.router()):
        with pytest.raises(PaymentActionRequiredError) as told:
            asking.charge(BOT, 5, idempotency_key="k")
        secrets.append(told.value.client_secret)
    assert secrets[0] == secrets[1] is not None
    assert len(bench.sent()) == 1


def test_an_abandoned_on_session_payment_can_be_taken_back(bench: Bench) -> None:
    router = bench.warm()
    started = router.charge(BOT, 5, on_session=True)
    with pytest.raises(OutcomeUnknownError):
        router.charge(BOT, 5, on_session=True)
    ended = router.cancel(str(started.operation_id))
    assert ended.state == "canceled"
    assert bench.world.get(started.id)["status"] == "canceled"
    assert not router.charge(BOT, 5, on_session=True).paid


def test_a_payment_taken_back_is_a_decline_at_a_repeat(bench: Bench) -> None:
    router = bench.warm()
    started = router.charge(BOT, 5, on_session=True, idempotency_key="k")
    router.cancel(str(started.operation_id))
    with pytest.raises(PaymentDeclinedError) as told:
        router.charge(BOT, 5, on_session=True, idempotency_key="k")
    assert told.value.code == "canceled"
    assert len(bench.sent()) == 1


def test_a_payment_on_its_way_is_returned_and_not_called_paid(bench: Bench) -> None:
    router = bench.warm()
    bench.world.set_outcome(CARD, "processing")
    done = router.charge(BOT, 5, idempotency_key="k")
    assert (done.status, done.state, done.paid) == ("processing", "processing", False)
    assert done.amount_minor == 0
    assert bench.moved() == bench.booked(router) == []
    bench.world.settle_processing(done.id)
    settled = router.charge(BOT, 5, idempotency_key="k")
    assert (settled.id, settled.paid, settled.amount_minor) == (done.id, True, 500)
    assert bench.moved() == bench.booked(router) == [500]
    assert bench.states() == ["succeeded"]


def test_a_payment_on_its_way_shows_no_client_secret_however_often_it_is_asked_for(
    bench: Bench,
) -> None:
    router = bench.warm()
    bench.world.set_outcome(CARD, "processing")
    done = router.charge(BOT, 5, idempotency_key="k")
    again = router.charge(BOT, 5, idempotency_key="k")
    early = router.cancel(str(done.operation_id))
    for result in (done, again, early):
        assert result.state == "processing"
        assert "_secret_" not in str(result.to_dict())


def test_a_payment_that_the_bank_refuses_in_the_end_is_a_decline(bench: Bench) -> None:
    router = bench.warm()
    bench.world.set_outcome(CARD, "processing")
    done = router.charge(BOT, 5, idempotency_key="k")
    bench.world.settle_processing(done.id, succeed=False)
    with pytest.raises(PaymentDeclinedError) as told:
        router.charge(BOT, 5, idempotency_key="k")
    assert "_secret_" not in everything_in(told.value)
    assert bench.states() == ["failed"]
    assert bench.world.get(done.id)["status"] == "canceled"


def test_a_payment_on_its_way_is_still_that_while_stripe_is_away(bench: Bench) -> None:
    router = bench.warm()
    bench.world.set_outcome(CARD, "processing")
    router.charge(BOT, 5, idempotency_key="k")
    bench.fault("refused", match="*", times=None)
    try:
        again = router.charge(BOT, 5, idempotency_key="k")
    except BillingError as error:
        told = str(error.money)
    else:
        told = again.state
    assert told in ("processing", "unknown")


def test_a_cancelling_that_came_too_early_does_not_spoil_a_later_one(bench: Bench) -> None:
    router = bench.warm()
    bench.world.set_outcome(CARD, "processing")
    done = router.charge(BOT, 5, idempotency_key="k")
    early = router.cancel(str(done.operation_id))
    assert early.state == "processing"
    bench.world.settle_processing(done.id, succeed=False)
    router.cancel(str(done.operation_id))
    assert bench.world.get(done.id)["status"] == "canceled"


def test_a_failed_authentication_leaves_the_payment_waiting(bench: Bench) -> None:
    router = bench.warm()
    started = router.charge(BOT, 5, on_session=True, idempotency_key="k")
    bench.world.complete_action(started.id, succeed=False)
    again = router.charge(BOT, 5, on_session=True, idempotency_key="k")
    assert (again.paid, again.state) == (False, "requires_action")
    bench.world.complete_action(started.id)
    assert router.charge(BOT, 5, on_session=True, idempotency_key="k").paid
    assert bench.moved() == bench.booked(router) == [500]
