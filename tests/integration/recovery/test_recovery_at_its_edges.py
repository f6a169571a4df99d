"""Recovery itself meets crashes, late senders, refused keys and answers that say nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest

from stripe_billing_router.errors import (
    BillingError,
    OutcomeUnknownError,
    PaymentActionRequiredError,
    PaymentDeclinedError,
    StripeRequestError,
)
from stripe_billing_router.providers.stripe.traces import Traces
from stripe_billing_router.sandbox import SANDBOX_SECRET_KEY, VirtualClock
from tests.integration.recovery.recovery_bench import DAY, HOUR, LEASE, Died, RecoveryBench
from tests.integration.verbs.verbs_bench import BOT, CARD, MONTHLY
from tests.integration.verbs.verbs_cases import BY_PRICE, CHARGE, SUBSCRIPTION

ITEM = "POST /v1/invoiceitems"
FINALIZE = "POST /v1/invoices/*/finalize"
PAY = "POST /v1/invoices/*/pay"
VOID = "POST /v1/invoices/*/void"
CANCEL = "POST /v1/payment_intents/*/cancel"
DELETE_DRAFT = "DELETE /v1/invoices/in_*"
EXCLUDE = "POST /v1/payment_intents"
OTHER_KEY = f"{SANDBOX_SECRET_KEY[:-1]}9"

each_step = pytest.mark.parametrize("step", [ITEM, FINALIZE, PAY])


# -- half-made invoices -------------------------------------------------------------------------


@each_step
@pytest.mark.parametrize("effect", [True, False], ids=["after-the-effect", "before-it"])
def test_of_an_old_half_made_invoice_nothing_is_collected_later(
    stage: RecoveryBench, step: str, effect: bool
) -> None:
    stage.crash(BY_PRICE, "", None, at=step, effect=effect)
    stage.bench.world.advance(HOUR)
    stage.recover()
    was_paid = step == PAY and effect
    assert stage.states() == ["succeeded" if was_paid else "abandoned"]
    assert stage.bench.collected() == ([1999] if was_paid else [])
    assert stage.bench.collectable() == []


@each_step
@pytest.mark.parametrize("effect", [True, False], ids=["after-the-effect", "before-it"])
def test_a_young_half_made_invoice_is_completed_for_its_bot(
    stage: RecoveryBench, step: str, effect: bool
) -> None:
    stage.crash(BY_PRICE, "", "k", at=step, effect=effect)
    assert len(stage.recover().completed) == 1
    assert stage.bench.collected() == [1999]
    assert stage.ask(BY_PRICE, "", "k").paid
    assert stage.booked() == [("succeeded", 1999)]


@pytest.mark.parametrize("broken_off_at", ["DELETE /v1/invoiceitems/*", DELETE_DRAFT])
def test_taking_an_invoice_down_can_be_broken_off_and_goes_on(
    stage: RecoveryBench, broken_off_at: str
) -> None:
    stage.crash(BY_PRICE, "", None, at=ITEM)
    stage.bench.world.advance(HOUR)
    stage.bench.fault("cut", broken_off_at, effect=True, times=1)
    stage.bench.fault("refused", "*", times=None)
    assert len(stage.recover().left) == 1
    stage.bench.world.faults.clear()
    stage.bench.world.advance(LEASE)
    assert len(stage.recover().abandoned) == 1
    assert stage.bench.collectable() == []


def test_an_invoice_that_is_being_taken_down_is_not_collected_by_its_bot(
    stage: RecoveryBench,
) -> None:
    """Its item is gone already: finalized now, it would be paid with nothing."""
    stage.crash(BY_PRICE, "", "k", at=FINALIZE, effect=False)
    stage.bench.world.advance(HOUR)
    stage.bench.fault("refused", DELETE_DRAFT, times=None)
    stage.recover()
    stage.bench.world.faults.clear()
    with pytest.raises(PaymentDeclinedError) as told:
        stage.ask(BY_PRICE, "", "k")
    assert told.value.money == "not_moved"
    assert stage.bench.collected() == []
    assert stage.bench.collectable() == []


def test_a_late_sender_s_item_does_not_outlive_the_draft_that_recovery_deletes(
    stage: RecoveryBench,
) -> None:
    """It would be collected with the customer's next invoice."""

    def die() -> None:
        raise Died

    def recover_meanwhile() -> None:
        stage.bench.world.advance(HOUR)
        with pytest.raises(Died):
            stage.recover()

    stage.bench.fault("call", DELETE_DRAFT, call=die)
    stage.bench.fault("call", ITEM, call=recover_meanwhile)
    with pytest.raises(BillingError):
        stage.ask(BY_PRICE, "", None)
    assert len(stage.bench.world.objects("invoiceitem")) == 1
    stage.bench.world.advance(LEASE)
    assert len(stage.recover().abandoned) == 1
    assert stage.bench.collectable() == []


@pytest.mark.parametrize("effect", [False, True], ids=["never-ran", "ran"])
def test_what_an_earlier_attempt_left_does_not_stand_for_the_one_after_it(
    stage: RecoveryBench, effect: bool
) -> None:
    """Both bear the operation's id, and only the first is known to be over."""
    stage.bench.world.set_outcome(CARD, "authentication_required")
    stage.crash(CHARGE, "", "k")
    (earlier,) = stage.bench.world.objects("payment_intent")
    stage.bench.dashboard.v1.payment_intents.cancel(earlier["id"])
    stage.bench.world.advance(HOUR / 3)
    assert len(stage.recover().abandoned) == 1
    stage.bench.world.set_outcome(CARD, "succeeds")
    stage.crash(CHARGE, "", "k", effect=effect)
    stage.bench.world.advance(HOUR / 3)
    stage.recover()
    assert stage.states() == ["succeeded" if effect else "abandoned"]
    stage.send_original(generation=1)
    assert stage.bench.collected() == ([1999] if effect else [])
    assert stage.ask(CHARGE, "", "k").paid
    assert stage.bench.collected() == [1999]


def test_the_exclusion_of_an_earlier_attempt_excludes_none_after_it(stage: RecoveryBench) -> None:
    for fault in (None, "lock_timeout"):
        stage.crash(CHARGE, "", "k", effect=False)
        stage.bench.world.advance(HOUR / 3)
        if fault is not None:
            stage.bench.fault(fault, EXCLUDE)
        stage.recover()
    assert stage.states() == ["unknown"]
    stage.recover()
    assert stage.states() == ["abandoned"]
    assert stage.send_original(generation=1).status == 400
    assert stage.bench.collected() == []


def test_what_is_proven_after_it_was_excluded_can_be_told_to_its_bot(stage: RecoveryBench) -> None:
    """Recovery saw nothing of it, and used its request key up; its sender comes back late."""

    def recovered() -> None:
        stage.bench.world.advance(HOUR)
        with stage.patch.context() as blind:
            blind.setattr(Traces, "left", lambda *_: None)
            assert len(stage.recover().abandoned) == 1

    stage.while_recovering(EXCLUDE, recovered, effect=True)
    first = CHARGE.call(stage.router(), "", {"idempotency_key": "k"})
    assert stage.states() == ["succeeded"]
    stage.bench.forget_requests()
    again = stage.ask(CHARGE, "", "k")
    assert stage.bench.sent() == []
    assert (again.id, again.paid, again.state) == (first.id, True, "succeeded")
    assert "operation.proven" in stage.told.names
    assert "operation.unsealed" not in stage.told.names
    assert stage.booked() == [("abandoned", 0), ("succeeded", 1999)]


def test_a_call_below_stripe_s_minimum_is_not_in_doubt_for_a_day(stage: RecoveryBench) -> None:
    tiny = replace(CHARGE, call=lambda router, _, given: router.charge(BOT, "0.10", **given))
    stage.crash(tiny, "", None, effect=False)
    with pytest.raises(OutcomeUnknownError):
        stage.ask(tiny, "", None)
    assert len(stage.recover().abandoned) == 1
    assert stage.send_original().status == 400
    assert stage.bench.collectable() == []
    with pytest.raises(StripeRequestError):
        stage.ask(tiny, "", None)


# -- the time in which a call may be completed --------------------------------------------------


@each_step
def test_recovery_that_stands_still_does_not_collect_when_it_wakes_up_late(
    stage: RecoveryBench, step: str
) -> None:
    stage.crash(BY_PRICE, "", "k", effect=False)
    asleep = {ITEM: "POST /v1/invoices", FINALIZE: ITEM, PAY: FINALIZE}[step]
    stage.while_recovering(asleep, lambda: stage.bench.world.advance(HOUR), effect=True)
    assert len(stage.recover().left) == 1
    assert stage.bench.collected() == []
    stage.bench.world.advance(LEASE)
    assert len(stage.recover().abandoned) == 1
    assert stage.bench.collectable() == []


def test_a_bot_that_is_frozen_while_its_call_is_completed_is_not_charged_by_a_retry(
    stage: RecoveryBench,
) -> None:
    stage.crash(CHARGE, "", "k", effect=False)

    def freeze() -> None:
        stage.freezer.frozen = True

    stage.bench.fault("unavailable", CHARGE.sends, call=freeze)
    assert len(stage.recover().left) == 1
    assert stage.bench.collected() == []


# -- what can be neither found nor excluded at once ---------------------------------------------


def test_a_decline_that_left_nothing_behind_is_recorded_as_what_it_was(
    stage: RecoveryBench,
) -> None:
    """Nothing shows it but the answer that Stripe keeps under its key."""
    stage.bench.world.set_outcome(CARD, "declined:lost_card")
    stage.crash(SUBSCRIPTION, "", None)
    stage.bench.world.advance(HOUR)
    assert len(stage.recover().recorded) == 1
    assert stage.states() == ["failed"]
    assert stage.booked() == [("failed", 0)]
    assert "operation.escalated" not in stage.told.names


def test_what_stripe_itself_does_not_know_is_escalated_to_people(stage: RecoveryBench) -> None:
    """An error 500 is what it has kept, and nothing shows what came of it."""
    stage.bench.world.set_outcome(CARD, "declined:lost_card")
    stage.bench.fault("server_error", SUBSCRIPTION.sends, effect=True)
    with pytest.raises(OutcomeUnknownError):
        stage.ask(SUBSCRIPTION, "", None)
    stage.bench.world.advance(HOUR)
    assert len(stage.recover().escalated) == 1
    assert stage.told.names[-1] == "operation.escalated"
    assert stage.told.events[-1].severity == "critical"
    with pytest.raises(OutcomeUnknownError):
        stage.ask(SUBSCRIPTION, "", None)


def test_a_key_that_is_refused_during_the_look_up_leaves_the_call_for_later(
    stage: RecoveryBench,
) -> None:
    stage.crash(CHARGE, "", None)
    stage.bench.world.advance(HOUR)
    router = stage.router()
    world = stage.bench.world
    stage.while_recovering(
        "GET /v1/account", lambda: world.revoke_key(SANDBOX_SECRET_KEY), effect=True, skip=1
    )
    assert len(router.recover_operations().left) == 1
    assert "operation.escalated" not in stage.told.names
    world.add_key(OTHER_KEY)
    report = stage.router(secret_key=OTHER_KEY).recover_operations()
    assert len(report.recorded) == 1
    assert stage.booked() == [("succeeded", 1999)]


# -- an exclusion that is broken off ------------------------------------------------------------


@pytest.mark.parametrize("later", [0.0, DAY], ids=["soon", "when-the-key-is-forgotten"])
def test_what_an_exclusion_made_is_taken_back_although_it_was_broken_off(
    stage: RecoveryBench, later: float
) -> None:
    stage.crash(CHARGE, "", None, effect=False)
    stage.bench.world.advance(2 * HOUR)
    stage.bench.fault("cut", CANCEL, times=1)
    assert len(stage.recover().left) == 1
    assert len(stage.bench.collectable()) == 1
    stage.bench.world.advance(later)
    assert len(stage.recover().abandoned) == 1
    assert stage.bench.collectable() == []


def test_an_exclusion_that_stripe_answers_with_an_error_for_ever_is_found_by_looking(
    stage: RecoveryBench,
) -> None:
    stage.crash(CHARGE, "", None, effect=False)
    stage.bench.world.advance(HOUR)
    stage.bench.fault("server_error", EXCLUDE, effect=True)
    assert len(stage.recover().abandoned) == 1
    assert stage.send_original().status in (400, 500)
    assert stage.bench.collected() == []
    assert stage.bench.collectable() == []


def test_a_clock_that_was_set_a_day_ahead_does_not_hide_what_a_call_made(
    stage: RecoveryBench,
) -> None:
    """The account is known already, so that Stripe's clock is not looked at again."""
    bench = stage.bench
    ahead = Ahead(bench.world.clock)
    router = stage.router(clock=ahead)
    router.create_subscription("finance:member", price_id=MONTHLY, idempotency_key="before")
    ahead.wrong_ms = int(25 * HOUR * 1000)
    bench.fault("timeout", CHARGE.sends, effect=True, times=None)
    with pytest.raises(OutcomeUnknownError):
        router.charge("finance:bot", "19.99")
    bench.world.faults.clear()
    bench.world.advance(30 * HOUR)
    assert len(stage.router(clock=ahead).recover_operations().recorded) == 1


class Ahead:
    """A host's clock that somebody may set."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.wrong_ms = 0
        self.elapsed = clock.elapsed
        self.sleep = clock.sleep

    def now_ms(self) -> int:
        return self._clock.now_ms() + self.wrong_ms


@pytest.mark.parametrize("after", [HOUR, 24.5 * HOUR], ids=["an-hour", "a-day"])
@pytest.mark.parametrize("kind", ["key_in_use", "lock_timeout"])
def test_a_key_in_use_is_no_proof_that_the_original_ran(
    stage: RecoveryBench, kind: Literal["key_in_use", "lock_timeout"], after: float
) -> None:
    """The original, sent to read its stored answer, would be executed an hour late."""
    stage.crash(CHARGE, "", None, effect=False)
    stage.bench.world.advance(after)
    stage.bench.fault(kind, EXCLUDE, times=1)
    assert len(stage.recover().left) == 1
    assert stage.bench.collected() == []
    stage.bench.world.advance(LEASE)
    assert len(stage.recover().abandoned) == 1
    assert stage.bench.collected() == []


# -- clocks and answers that mislead -------------------------------------------------------------


class SetForward:
    """The host's clock, a day and more ahead of everybody's; time goes on as everywhere."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock

    def now_ms(self) -> int:
        return self._clock.now_ms() + int(26 * HOUR * 1000)

    def elapsed(self) -> float:
        return self._clock.elapsed()

    def sleep(self, seconds: float) -> None:
        self._clock.sleep(seconds)


def test_a_clock_that_was_set_forward_leaves_out_no_exclusion(stage: RecoveryBench) -> None:
    """Stripe still knows the key: the sender that wakes up now must find it used up."""
    stage.crash(SUBSCRIPTION, "", None, effect=False)
    report = stage.router(clock=SetForward(stage.bench.world.clock)).recover_operations()
    assert len(report.abandoned) == 1
    assert stage.send_original().status == 400
    assert stage.bench.collected() == []


def test_an_exclusion_that_was_broken_off_a_day_ago_leaves_nothing_behind(
    stage: RecoveryBench,
) -> None:
    """By then Stripe has forgotten the key, so that a second harmless payment is made."""
    stage.crash(SUBSCRIPTION, "", None, effect=False)
    stage.bench.fault("refused", CANCEL, times=None)
    assert len(stage.recover().left) == 1
    stage.bench.world.faults.clear()
    stage.bench.world.advance(DAY + LEASE)
    assert len(stage.recover().abandoned) == 1
    payments = stage.bench.world.objects("payment_intent")
    assert {payment["status"] for payment in payments} <= {"canceled", "succeeded"}
    assert len([payment for payment in payments if payment["status"] == "canceled"]) == 2


def test_a_waiting_payment_that_cannot_be_read_anew_is_not_told_as_unpaid(
    stage: RecoveryBench,
) -> None:
    router, given = stage.router(), {"idempotency_key": "k"}
    stage.bench.world.set_outcome("pm_one", "authentication_required")
    with pytest.raises(PaymentActionRequiredError) as waits:
        CHARGE.call(router, "", given)
    stage.bench.world.complete_action(str(waits.value.stripe_id))
    stage.bench.world.revoke_key(SANDBOX_SECRET_KEY)
    with pytest.raises(StripeRequestError) as unread:
        CHARGE.call(router, "", given)
    assert unread.value.money == "unknown"
    stage.bench.world.add_key(SANDBOX_SECRET_KEY)
    assert CHARGE.call(router, "", given).paid


def test_what_stripe_replays_of_a_waiting_payment_is_not_told_as_news(
    stage: RecoveryBench,
) -> None:
    """The answer was lost, the customer has finished since, and the bot asks again."""
    router, given = stage.router(), {"idempotency_key": "k"}
    stage.bench.world.set_outcome("pm_one", "authentication_required")
    stage.bench.fault("timeout", CHARGE.sends, effect=True, times=None)
    with pytest.raises(OutcomeUnknownError):
        CHARGE.call(router, "", given)
    stage.bench.world.faults.clear()
    (waiting,) = stage.bench.world.objects("payment_intent")
    stage.bench.world.complete_action(waiting["id"])
    assert CHARGE.call(router, "", given).paid
    assert stage.states() == ["succeeded"]


def test_a_clock_that_was_set_forward_hides_no_answer(stage: RecoveryBench) -> None:
    """What was declined left nothing to be found; Stripe, which knows the key, tells it again."""
    stage.bench.world.set_outcome("pm_one", "declined:insufficient_funds")
    stage.crash(SUBSCRIPTION, "", None, effect=True)
    report = stage.router(clock=SetForward(stage.bench.world.clock)).recover_operations()
    assert (len(report.recorded), len(report.escalated)) == (1, 0)
    assert stage.states() == ["failed"]
