"""A bot has died in the middle of a call; whatever the verb, recovery settles it."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import replace

import pytest

from stripe_billing_router.bootstrap.verbs import all_verbs
from stripe_billing_router.errors import OutcomeUnknownError, PaymentActionRequiredError
from stripe_billing_router.models import RecoveryReport
from tests.integration.recovery.recovery_bench import DAY, HOUR, RecoveryBench
from tests.integration.verbs.verbs_bench import CUSTOMER, EURO, MEMBER, OTHER, YEN
from tests.integration.verbs.verbs_cases import (
    BY_PRICE,
    CASES,
    CHARGE,
    CHECKOUT,
    REFUND,
    SUBSCRIPTION,
    Case,
)

TAKEN_DOWN = (BY_PRICE, CHECKOUT)
"""What a first request makes here is not the whole: nobody was told of it, so it goes."""

each_verb = pytest.mark.parametrize("case", CASES, ids=str)
key_or_none = pytest.mark.parametrize("key", ["k", None], ids=["keyed", "keyless"])


@each_verb
@pytest.mark.parametrize("effect", [True, False], ids=["after-the-effect", "before-it"])
def test_a_young_keyed_call_is_completed_with_its_own_keys(
    stage: RecoveryBench, case: Case, paid: str, effect: bool
) -> None:
    stage.crash(case, paid, "k", effect=effect)
    (operation_id,) = [row["operation_id"] for row in stage.rows()]
    assert stage.recover() == RecoveryReport(completed=(operation_id,))
    assert stage.states() == [case.state]
    assert stage.booked() == [(case.state, case.amount_minor)]
    done = stage.ask(case, paid, "k")
    assert (done.operation_id, done.amount_minor) == (operation_id, case.amount_minor)
    assert len(stage.booked()) == 1


@each_verb
@key_or_none
def test_an_old_call_that_had_its_effect_is_recorded_and_not_repeated(
    stage: RecoveryBench, case: Case, paid: str, key: str | None
) -> None:
    stage.crash(case, paid, key)
    stage.bench.world.advance(HOUR)
    stage.bench.forget_requests()
    stage.recover()
    assert case.sends not in stage.bench.sent()
    if case in TAKEN_DOWN:
        assert stage.states() == ["abandoned"]
        assert stage.bench.collectable() == []
    else:
        assert stage.states() == ["succeeded"]
        assert stage.booked() == [("succeeded", case.amount_minor)]


@each_verb
@key_or_none
def test_an_old_call_that_had_none_is_excluded_so_that_it_cannot_happen_any_more(
    stage: RecoveryBench, case: Case, paid: str, key: str | None
) -> None:
    stage.crash(case, paid, key, effect=False)
    stage.bench.world.advance(HOUR)
    before = stage.bench.collected()
    report = stage.recover()
    assert len(report.abandoned) == 1
    assert stage.booked() == [("abandoned", 0)]
    late = stage.send_original()
    assert late.status == 400
    assert late.body["error"]["type"] == "idempotency_error"
    assert stage.bench.collected() == before
    assert stage.bench.collectable() == []


IN_EUROS = replace(
    CHARGE,
    name="in_euros",
    bot=EURO,
    call=lambda router, _, given: router.charge(EURO, 30, **given),
)
IN_YEN = replace(
    BY_PRICE, name="in_yen", bot=YEN, call=lambda router, _, given: router.charge(YEN, **given)
)
LARGE = replace(
    SUBSCRIPTION,
    name="large_subscription",
    call=lambda router, _, given: router.create_subscription(MEMBER, quantity=9, **given),
)
ANOTHERS = replace(
    CHECKOUT,
    name="anothers_checkout",
    call=lambda router, _, given: CHECKOUT.call(router, "", {"customer_id": OTHER, **given}),
)
EXCLUSIONS: list[tuple[Case, int, str, str]] = [
    (CHARGE, 1999, "usd", CUSTOMER),
    (IN_EUROS, 3000, "eur", CUSTOMER),
    (BY_PRICE, 1999, "usd", CUSTOMER),
    (IN_YEN, 1000, "jpy", CUSTOMER),
    (SUBSCRIPTION, 1000, "usd", CUSTOMER),
    (LARGE, 4500, "usd", CUSTOMER),
    (CHECKOUT, 3998, "usd", CUSTOMER),
    (ANOTHERS, 3998, "usd", OTHER),
]
"""Minor units of the harmless payment that excludes a call: the call's own, or ten dollars if that
could be below what Stripe takes; its currency and customer."""


@pytest.mark.parametrize(("case", "amount", "currency", "customer"), EXCLUSIONS, ids=str)
def test_what_excludes_a_call_is_a_payment_like_it_that_nobody_confirms(
    stage: RecoveryBench, case: Case, amount: int, currency: str, customer: str
) -> None:
    stage.crash(case, "", None, effect=False)
    stage.bench.world.advance(HOUR)
    assert len(stage.recover().abandoned) == 1
    (made,) = stage.bench.world.objects("payment_intent")
    told = made["amount"], made["currency"], made["customer"], made["amount_received"]
    assert told == (amount, currency, customer, 0)
    assert (made["status"], made["payment_method"]) == ("canceled", None)
    operation_id = stage.rows()[-1]["operation_id"]
    assert made["metadata"] == {"excludes_operation_id": operation_id}


def test_every_verb_that_collects_is_excluded_so() -> None:
    collecting = {name for name, verb in all_verbs().items() if verb.moves == "in"}
    assert {case.verb for case, *_ in EXCLUSIONS} >= collecting


@each_verb
def test_what_was_excluded_can_be_asked_for_again(
    stage: RecoveryBench, case: Case, paid: str
) -> None:
    stage.crash(case, paid, "k", effect=False)
    stage.bench.world.advance(HOUR)
    stage.recover()
    done = stage.ask(case, paid, "k")
    assert (done.state, done.amount_minor) == (case.state, case.amount_minor)
    assert stage.states() == [case.state]


@each_verb
def test_a_call_that_stripe_has_forgotten_is_abandoned(
    stage: RecoveryBench, case: Case, paid: str
) -> None:
    stage.crash(case, paid, None, effect=False)
    stage.bench.world.advance(26 * HOUR)
    assert len(stage.recover().abandoned) == 1
    assert stage.bench.collectable() == []


@pytest.mark.parametrize("case", [case for case in CASES if case not in TAKEN_DOWN], ids=str)
def test_a_call_of_which_recovery_found_the_effect_is_not_repeated_by_its_bot(
    stage: RecoveryBench, case: Case, paid: str
) -> None:
    stage.crash(case, paid, None)
    stage.bench.world.advance(HOUR)
    stage.recover()
    with pytest.raises(OutcomeUnknownError) as told:
        stage.ask(case, paid, None)
    assert told.value.operation_id == stage.rows()[0]["operation_id"]
    assert len(stage.rows()) == 1


@each_verb
def test_a_frozen_bot_s_call_is_settled_but_not_completed(
    stage: RecoveryBench, case: Case, paid: str
) -> None:
    stage.crash(case, paid, "k", effect=False)
    stage.freezer.frozen = True
    stage.bench.forget_requests()
    assert len(stage.recover().abandoned) == 1
    assert stage.booked() == [("abandoned", 0)]


@pytest.mark.parametrize("case", [case for case in CASES if case is not REFUND], ids=str)
def test_many_that_recover_at_once_settle_each_call_once(
    stage: RecoveryBench, case: Case, paid: str
) -> None:
    for key in ("a", "b"):
        stage.crash(case, paid, key)
    routers = [stage.router() for _ in range(4)]
    threads = [threading.Thread(target=router.recover_operations) for router in routers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stage.recover()
    assert stage.states() == [case.state] * 2
    assert stage.booked() == [(case.state, case.amount_minor)] * 2


@pytest.mark.parametrize("case", [CHARGE, BY_PRICE, CHECKOUT], ids=str)
def test_what_waits_for_its_customer_is_taken_back_after_a_day(
    stage: RecoveryBench, case: Case
) -> None:
    stage.bench.world.set_outcome("pm_one", "authentication_required")
    with suppress(PaymentActionRequiredError):
        stage.ask(case, "", None)
    assert stage.states() == ["requires_action"]
    stage.bench.world.advance(DAY - HOUR)
    assert stage.recover().canceled == ()
    stage.bench.world.advance(HOUR)
    assert len(stage.recover().canceled) == 1
    assert stage.states() == ["canceled"]
    assert stage.bench.collectable() == []
