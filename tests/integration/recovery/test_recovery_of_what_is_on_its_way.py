"""What a bank is at is looked at again by recovery, whether or not webhooks arrive: a refusal that
comes days later leaves nothing payable, frees its budget, and is in the books."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from stripe_billing_router.client import BillingRouter
from stripe_billing_router.errors import PaymentDeclinedError
from stripe_billing_router.models import Budget, Policies, PolicyRule
from stripe_billing_router.sandbox import World
from tests.integration.recovery.recovery_bench import DAY, HOUR, RecoveryBench
from tests.integration.verbs.verbs_bench import BOT, CUSTOMER, MEMBER, MONTHLY, ONCE
from tests.integration.verbs.verbs_cases import SUBSCRIPTION

SUCCESS_URL = "https://shop.example/thanks"
POLICIES = Policies((PolicyRule("spend", budgets=(Budget("month", 5000, "usd"),)),))
FIRST_LOOK = 5 * HOUR

Start = Callable[[BillingRouter, World], Any]


def _checkout(bot: str, price: str) -> Start:
    def start(router: BillingRouter, world: World) -> Any:
        lines = [{"price": price, "quantity": 1}]
        session = router.create_checkout_session(
            bot, lines, success_url=SUCCESS_URL, idempotency_key="k"
        )
        world.complete_checkout(session.id, payment_method="pm_debit")
        return router.create_checkout_session(
            bot, lines, success_url=SUCCESS_URL, idempotency_key="k"
        )

    return start


STARTS: dict[str, tuple[Start, int]] = {
    "charge": (lambda router, _: router.charge(BOT, "19.99", idempotency_key="k"), 1999),
    "by price": (lambda router, _: router.charge(BOT, idempotency_key="k"), 1999),
    "subscription": (
        lambda router, _: router.create_subscription(MEMBER, idempotency_key="k"),
        500,
    ),
    "checkout": (_checkout(BOT, ONCE), 1999),
    "checkout of a subscription": (_checkout(MEMBER, MONTHLY), 500),
}
SUBSCRIPTIONS = ("subscription", "checkout of a subscription")

every_way = pytest.mark.parametrize("way", STARTS)
every_way_that_can_be_ended = pytest.mark.parametrize(
    "way", [way for way in STARTS if way != "checkout"]
)
"""Stripe does not let the payment of a Checkout session be cancelled."""


@pytest.fixture
def on_its_way(stage: RecoveryBench) -> Callable[[str], Any]:
    """Something that is paid by bank debit, under a budget."""
    stage.bench.world.add_payment_method(
        "pm_debit", customer=CUSTOMER, outcome="processing", default=True
    )

    def start(way: str) -> Any:
        made = STARTS[way][0](stage.router(policies=POLICIES), stage.bench.world)
        assert (made.state, used(stage)) == ("processing", STARTS[way][1])
        return made

    return start


def used(stage: RecoveryBench) -> int:
    return sum(usage.used for usage in stage.bench.router.store.budgets())


def bank_says(stage: RecoveryBench, *, yes: bool) -> None:
    (payment,) = (
        p for p in stage.bench.world.objects("payment_intent") if p["status"] == "processing"
    )
    stage.bench.world.settle_processing(payment["id"], yes)


def running(stage: RecoveryBench) -> list[str]:
    found = stage.bench.world.objects("subscription")
    return [sub["id"] for sub in found if sub["status"] != "canceled"]


@every_way_that_can_be_ended
def test_a_late_refusal_is_made_unpayable_without_a_webhook(
    stage: RecoveryBench, on_its_way: Callable[[str], Any], way: str
) -> None:
    made = on_its_way(way)
    bank_says(stage, yes=False)
    stage.bench.world.advance(FIRST_LOOK)
    report = stage.router(policies=POLICIES).recover_operations()
    assert report.recorded == (made.operation_id,)
    assert stage.states() == ["failed"]
    assert stage.booked()[-1] == ("failed", 0)
    assert stage.bench.collectable() == []
    assert running(stage) == []
    assert stage.bench.collected() == []
    assert used(stage) == 0


@every_way_that_can_be_ended
def test_whoever_asks_again_is_told_of_the_refusal_and_may_pay_otherwise(
    stage: RecoveryBench, on_its_way: Callable[[str], Any], way: str
) -> None:
    on_its_way(way)
    bank_says(stage, yes=False)
    stage.bench.world.set_outcome("pm_debit", "succeeds")
    with pytest.raises(PaymentDeclinedError) as told:
        STARTS[way][0](stage.router(policies=POLICIES), stage.bench.world)
    assert told.value.money == "not_moved"
    assert stage.states() == ["failed"]
    assert running(stage) == []
    assert stage.bench.collectable() == []


@pytest.mark.parametrize("pays", [True, False])
def test_a_refused_payment_of_a_session_is_not_over_while_it_can_be_paid(
    stage: RecoveryBench, on_its_way: Callable[[str], Any], pays: bool
) -> None:
    on_its_way("checkout")
    bank_says(stage, yes=False)
    for _ in range(3):
        assert (recovered(stage), used(stage)) == (["processing"], 1999)
    (payment,) = stage.bench.world.objects("payment_intent")
    assert payment["status"] == "requires_payment_method"
    if pays:
        stage.bench.world.complete_action(payment["id"], payment_method="pm_card_visa")
    end = ("succeeded", 1999) if pays else ("processing", 0)
    assert recovered(stage) == [end[0]]
    assert (stage.booked()[-1], used(stage)) == (end, 1999)


@every_way
def test_a_payment_that_arrives_is_recorded_without_a_webhook(
    stage: RecoveryBench, on_its_way: Callable[[str], Any], way: str
) -> None:
    on_its_way(way)
    bank_says(stage, yes=True)
    stage.bench.world.advance(FIRST_LOOK)
    stage.router(policies=POLICIES).recover_operations()
    assert stage.booked()[-1] == ("succeeded", STARTS[way][1])
    assert used(stage) == STARTS[way][1] == sum(stage.bench.collected())
    assert len(running(stage)) == (way in SUBSCRIPTIONS)


@every_way_that_can_be_ended
def test_an_ending_that_broke_off_goes_on_at_the_next_look(
    stage: RecoveryBench, on_its_way: Callable[[str], Any], way: str
) -> None:
    on_its_way(way)
    bank_says(stage, yes=False)
    stage.bench.world.advance(FIRST_LOOK)
    for match in ("DELETE /v1/*", "POST /v1/*/cancel", "POST /v1/*/void"):
        stage.bench.fault("cut", match, effect=True, times=3)
    for _ in range(6):
        stage.router(policies=POLICIES).recover_operations()
        stage.bench.world.advance(FIRST_LOOK)
    assert stage.states()[0] in ("failed", "canceled")
    assert stage.bench.collectable() == []
    assert running(stage) == []
    assert used(stage) == 0


def test_a_refund_that_the_bank_sends_back_is_recorded_without_a_webhook(
    stage: RecoveryBench, paid: str
) -> None:
    def pending(line: str, body: dict[str, Any]) -> None:
        if line == "POST /v1/refunds":
            body["status"] = "pending"

    stage.bench.wire.change = pending
    refund = stage.router().refund(BOT, paid)
    assert refund.state == "processing"
    stage.bench.world.fail_refund(refund.id)
    stage.bench.world.advance(FIRST_LOOK)
    assert stage.router().recover_operations().recorded == (refund.operation_id,)
    assert stage.booked()[-1] == ("failed", 0)


def test_stripe_is_asked_rarely_and_by_one_process_only(
    stage: RecoveryBench, on_its_way: Callable[[str], Any]
) -> None:
    on_its_way("charge")
    world, routers = stage.bench.world, [stage.router() for _ in range(2)]
    for router in routers:
        router.recover_operations()
    stage.bench.forget_requests()
    for _ in range(14 * 24):
        world.clock.advance(HOUR)
        for router in routers:
            router.recover_operations()
    looks = sum(line == "GET /v1/payment_intents/*" for line in stage.bench.sent())
    assert 10 <= looks <= 40
    assert stage.states() == ["processing"]


def test_a_look_that_fails_is_not_repeated_at_once(
    stage: RecoveryBench, on_its_way: Callable[[str], Any]
) -> None:
    made = on_its_way("charge")
    stage.bench.world.advance(FIRST_LOOK)
    stage.bench.fault("server_error", "GET /v1/payment_intents/*", times=None)
    router = stage.router()
    assert router.recover_operations().left == (made.operation_id,)
    stage.bench.world.faults.clear()
    stage.bench.forget_requests()
    assert router.recover_operations().left == ()
    assert stage.bench.sent() == []
    stage.bench.world.advance(DAY)
    bank_says(stage, yes=False)
    assert router.recover_operations().recorded == (made.operation_id,)


def cancel_by_hand(stage: RecoveryBench) -> None:
    """A person, or the customer, ends the subscription: its open invoice stays payable."""
    for subscription in running(stage):
        stage.bench.dashboard.v1.subscriptions.cancel(subscription)


def recovered(stage: RecoveryBench) -> list[str]:
    stage.bench.world.advance(25 * HOUR)
    stage.router(policies=POLICIES).recover_operations()
    return stage.states()


@pytest.mark.parametrize("pays", [True, False])
@pytest.mark.parametrize("way", SUBSCRIPTIONS)
def test_the_end_of_a_subscription_does_not_stop_the_bank(
    stage: RecoveryBench, on_its_way: Callable[[str], Any], way: str, pays: bool
) -> None:
    on_its_way(way)
    cancel_by_hand(stage)
    assert (recovered(stage), used(stage)) == (["processing"], 500)
    bank_says(stage, yes=pays)
    (ended,) = recovered(stage)
    assert ended == "succeeded" if pays else ended in ("failed", "canceled")
    assert sum(minor or 0 for _, minor in stage.booked()) == used(stage) == 500 * pays
    assert sum(stage.bench.collected()) == 500 * pays
    assert stage.bench.collectable() == []


@pytest.mark.parametrize("found_by", ["asking again", "cancelling", "recovery"])
def test_what_a_customer_pays_by_debit_before_the_end_is_still_on_its_way(
    stage: RecoveryBench, found_by: str
) -> None:
    debit = stage.bench.world.add_payment_method(customer=CUSTOMER, outcome="processing")
    router = stage.router(policies=POLICIES)
    asked: dict[str, Any] = {"idempotency_key": "k", "payment_behavior": "default_incomplete"}
    made = router.create_subscription(MEMBER, **asked)
    invoice = made.raw["latest_invoice"]["id"]
    stage.bench.dashboard.v1.invoices.pay(invoice, {"payment_method": debit})
    cancel_by_hand(stage)
    match found_by:
        case "asking again":
            assert router.create_subscription(MEMBER, **asked).state == "processing"
        case "cancelling":
            assert router.cancel(str(made.operation_id)).state == "processing"
    assert (recovered(stage), used(stage)) == (["processing"], 500)
    bank_says(stage, yes=True)
    assert (recovered(stage), used(stage)) == (["succeeded"], 500)
    assert stage.booked()[-1] == ("succeeded", 500)


def test_a_subscription_that_is_ended_unpaid_leaves_no_invoice_that_can_be_paid(
    stage: RecoveryBench,
) -> None:
    router = stage.router(policies=POLICIES)
    router.create_subscription(MEMBER, idempotency_key="k", payment_behavior="default_incomplete")
    cancel_by_hand(stage)
    assert (recovered(stage), used(stage)) == (["canceled"], 0)
    assert stage.bench.collectable() == []


@pytest.mark.parametrize("shown", [{}, {"status": "succeeded"}], ids=["nothing", "a part is paid"])
def test_only_a_bank_that_is_shown_to_pay_keeps_the_invoice_of_an_ended_subscription(
    stage: RecoveryBench, on_its_way: Callable[[str], Any], shown: dict[str, str]
) -> None:
    on_its_way("subscription")
    cancel_by_hand(stage)
    bank_says(stage, yes=False)
    payment = {"payment": {"payment_intent": {"object": "payment_intent", **shown}}}

    def change(line: str, body: dict[str, Any]) -> None:
        if line.startswith("GET /v1/invoices/"):
            body["payments"] = {"object": "list", "data": [payment], "has_more": False}

    stage.bench.wire.change = change
    assert (recovered(stage), used(stage)) == (["canceled"], 0)
    assert stage.bench.collectable() == []


def test_people_hear_once_of_what_is_on_its_way_for_too_long(
    stage: RecoveryBench, on_its_way: Callable[[str], Any]
) -> None:
    """Of a refused session whose payment Stripe lets nobody cancel."""
    made = on_its_way("checkout")
    bank_says(stage, yes=False)
    for _ in range(15):
        assert recovered(stage) == ["processing"]
    assert "operation.escalated" not in stage.told.names
    for _ in range(25):
        recovered(stage)
    assert stage.told.names.count("operation.escalated") == 1
    (found,) = stage.bench.router.discrepancies.list()
    assert (found.kind, found.operation_id, found.count) == ("escalated", made.operation_id, 1)
    assert used(stage) == 1999


def test_a_look_that_fails_hides_nobody_s_wait(
    stage: RecoveryBench, on_its_way: Callable[[str], Any]
) -> None:
    on_its_way("charge")
    stage.bench.fault("unavailable", "GET /v1/payment_intents/*", times=None)
    for _ in range(40):
        recovered(stage)
    assert stage.told.names.count("operation.escalated") == 1


@pytest.mark.parametrize("limited", [True, False])
def test_a_crash_does_not_hide_what_a_bank_is_paying_for_an_ended_subscription(
    stage: RecoveryBench, limited: bool
) -> None:
    stage.bench.world.add_payment_method(
        "pm_debit", customer=CUSTOMER, outcome="processing", default=True
    )
    start = stage.router
    if limited:
        stage.router = lambda **given: start(**{"policies": POLICIES, **given})  # type: ignore[method-assign]
    stage.crash(SUBSCRIPTION, "", None, at="POST /v1/invoices/*/pay" if limited else "")
    cancel_by_hand(stage)
    assert recovered(stage) == ["processing"]
    bank_says(stage, yes=True)
    assert recovered(stage) == ["succeeded"]
    assert stage.booked()[-1] == ("succeeded", 500)
