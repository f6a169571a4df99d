"""What a customer owes from before comes on top of a price; the rules see it before it is paid."""

from __future__ import annotations

from typing import Any

import pytest

from stripe_billing_router.client import BillingRouter
from stripe_billing_router.errors import (
    ApprovalRequiredError,
    PaymentDeclinedError,
    PolicyViolationError,
    StripeUnavailableError,
)
from stripe_billing_router.models import Policies, PolicyRule
from tests.integration.guards.guards_bench import GuardsBench, approval_above, budget, rules
from tests.integration.verbs.verbs_bench import BOT, CARD, CUSTOMER, MEMBER, MONTHLY, Bench
from tests.integration.verbs.verbs_cases import BY_PRICE, SUBSCRIPTION, SUCCESS_URL

PRICE = 1999
MEMBERS = "spend/money/day/usd/finance:member"
LARGEST = rules(PolicyRule("large", largest={"usd": 2000}))


def owe(bench: Bench, minor: int) -> None:
    bench.dashboard.v1.customers.update(CUSTOMER, {"balance": minor})


@pytest.mark.parametrize("policies", [budget(2000), LARGEST], ids=["budget", "largest"])
def test_a_debt_is_not_collected_beyond_the_limits(guards: GuardsBench, policies: Policies) -> None:
    owe(guards.bench, 50_000)
    for _ in range(2):
        with pytest.raises(PolicyViolationError) as caught:
            guards.router(policies).charge(BOT, idempotency_key="k")
        assert caught.value.money == "not_moved"
    assert guards.bench.collected() == []
    assert guards.bench.collectable() == []
    assert guards.used() == 0


def test_a_debt_within_the_limits_counts_with_what_is_collected(guards: GuardsBench) -> None:
    owe(guards.bench, 500)
    assert guards.router(budget(2499)).charge(BOT).amount_minor == 2499
    assert guards.used() == 2499
    with pytest.raises(PolicyViolationError):
        guards.router(budget(2499)).charge(BOT)


def test_what_stripe_carries_over_never_passes_a_budget(guards: GuardsBench) -> None:
    """Each second charge collects the first one's amount as well."""
    guards.bench.world.add_price("price_tiny", unit_amount=40)
    router = guards.router(budget(300))
    for _ in range(7):
        router.charge(BOT, price_id="price_tiny")
    with pytest.raises(PolicyViolationError):
        router.charge(BOT, price_id="price_tiny")
    assert sum(guards.bench.collected()) == guards.used() == 240


def test_an_approval_does_not_reach_to_a_debt(guards: GuardsBench) -> None:
    router = guards.router(approval_above(1000))
    with pytest.raises(ApprovalRequiredError) as asked:
        router.charge(BOT)
    guards.desk.approve(asked.value.approval_id, by="ann")
    owe(guards.bench, 500)
    with pytest.raises(PolicyViolationError, match=r"24\.99 usd"):
        router.charge(BOT, idempotency_key=asked.value.idempotency_key)
    assert guards.bench.collected() == []


def test_a_debt_is_not_collected_by_recovery_either(guards: GuardsBench) -> None:
    stage, policies = guards.stage, budget(2000)
    start = stage.router
    stage.router = lambda **changes: start(policies=policies, **changes)  # type: ignore[method-assign]
    owe(guards.bench, 50_000)
    stage.crash(BY_PRICE, "", "k", at="POST /v1/invoices/*/finalize")
    assert guards.used() == PRICE
    stage.recover()
    assert stage.states() == ["abandoned"]
    assert guards.bench.collected() == []
    assert guards.bench.collectable() == []
    assert guards.used() == 0


def test_without_rules_a_debt_is_collected_as_stripe_does(guards: GuardsBench) -> None:
    owe(guards.bench, 50_000)
    assert guards.bench.router.charge(BOT).amount_minor == 51_999


# -- subscriptions --------------------------------------------------------------------------------


def let_pend(bench: Bench, minor: int) -> None:
    bench.dashboard.v1.invoice_items.create(
        {"customer": CUSTOMER, "amount": minor, "currency": "usd"}
    )


def subscribe(router: BillingRouter, **given: Any) -> Any:
    return router.create_subscription(MEMBER, idempotency_key="k", **given)


def open_page(router: BillingRouter, **given: Any) -> Any:
    lines = [{"price": MONTHLY, "quantity": 1}]
    given = {"success_url": SUCCESS_URL, "idempotency_key": "k", **given}
    return router.create_checkout_session(MEMBER, lines, **given)


old_money = pytest.mark.parametrize("make_debt", [owe, let_pend], ids=["debt", "pending item"])


@old_money
@pytest.mark.parametrize("policies", [budget(2000), rules(PolicyRule("l", largest={"usd": 2000}))])
@pytest.mark.parametrize(
    "params",
    [{}, {"payment_behavior": "allow_incomplete"}, {"payment_behavior": "default_incomplete"}],
    ids=["error_if_incomplete", "allow_incomplete", "default_incomplete"],
)
def test_a_subscription_collects_nothing_old_beyond_the_limits(
    guards: GuardsBench, make_debt: Any, policies: Policies, params: dict[str, Any]
) -> None:
    make_debt(guards.bench, 50_000)
    for _ in range(2):
        with pytest.raises(PolicyViolationError) as caught:
            subscribe(guards.router(policies), **params)
        assert caught.value.money == "not_moved"
    assert guards.bench.collected() == []
    assert guards.bench.collectable() == []
    assert [sub["status"] for sub in guards.bench.world.objects("subscription")] == ["canceled"]
    assert guards.used(MEMBERS) == 0


@old_money
def test_a_page_for_a_subscription_is_not_opened_beyond_the_limits(
    guards: GuardsBench, make_debt: Any
) -> None:
    make_debt(guards.bench, 50_000)
    with pytest.raises(PolicyViolationError) as caught:
        open_page(guards.router(budget(2000)))
    assert caught.value.money == "not_moved"
    assert guards.bench.world.objects("checkout.session") == []
    assert guards.used(MEMBERS) == 0


@old_money
def test_old_money_within_the_limits_counts_with_a_subscription(
    guards: GuardsBench, make_debt: Any
) -> None:
    make_debt(guards.bench, 700)
    done = subscribe(guards.router(budget(1200)))
    assert (done.state, done.status, done.amount_minor) == ("succeeded", "active", 1200)
    assert guards.bench.collected() == [1200]
    assert guards.used(MEMBERS) == 1200


@old_money
def test_old_money_within_the_limits_counts_with_a_page(
    guards: GuardsBench, make_debt: Any
) -> None:
    make_debt(guards.bench, 700)
    router = guards.router(budget(1200))
    page = open_page(router)
    assert guards.used(MEMBERS) == 1200
    guards.bench.world.complete_checkout(page.id)
    done = open_page(router)
    assert (done.state, done.amount_minor) == ("succeeded", 1200)
    assert guards.bench.collected() == [1200]
    assert guards.used(MEMBERS) == 1200


def test_a_debt_that_came_after_a_page_was_opened_is_in_the_books(guards: GuardsBench) -> None:
    """Nobody is asked once the customer is done: then at least it counts."""
    router = guards.router(budget(600))
    page = open_page(router)
    owe(guards.bench, 700)
    guards.bench.world.complete_checkout(page.id)
    assert open_page(router).amount_minor == guards.used(MEMBERS) == 1200
    assert guards.bench.entry().amount_minor == 1200


def test_an_approved_subscription_does_not_reach_to_a_debt(guards: GuardsBench) -> None:
    router = guards.router(approval_above(400))
    with pytest.raises(ApprovalRequiredError) as asked:
        router.create_subscription(MEMBER)
    guards.desk.approve(asked.value.approval_id, by="ann")
    owe(guards.bench, 500)
    with pytest.raises(PolicyViolationError, match=r"10\.00 usd"):
        router.create_subscription(MEMBER, idempotency_key=asked.value.idempotency_key)
    assert guards.bench.collected() == []
    assert guards.bench.collectable() == []


@pytest.mark.parametrize("outcome", ["declined:insufficient_funds", "authentication_required"])
def test_under_limits_a_first_payment_that_fails_leaves_nothing_either(
    guards: GuardsBench, outcome: str
) -> None:
    guards.bench.world.set_outcome(CARD, outcome)
    for _ in range(2):
        with pytest.raises(PaymentDeclinedError) as told:
            subscribe(guards.router(budget(2000)))
        assert told.value.money == "not_moved"
    assert guards.bench.collectable() == []
    assert guards.used(MEMBERS) == 0
    guards.bench.world.set_outcome(CARD, "succeeds")
    assert guards.router(budget(2000)).create_subscription(MEMBER).paid


def test_under_limits_one_that_may_be_incomplete_waits_for_its_customer(
    guards: GuardsBench,
) -> None:
    guards.bench.world.set_outcome(CARD, "authentication_required")
    done = subscribe(guards.router(budget(2000)), payment_behavior="allow_incomplete")
    assert (done.state, done.status) == ("requires_action", "incomplete")
    assert done["latest_invoice"]["confirmation_secret"]["client_secret"]


@pytest.mark.parametrize("effect", [True, False], ids=["after-the-effect", "before-it"])
@pytest.mark.parametrize("at", ["POST /v1/subscriptions", "POST /v1/invoices/*/pay"])
@pytest.mark.parametrize("key", ["k", None])
def test_a_subscription_that_was_broken_off_between_its_steps_is_settled(
    guards: GuardsBench, at: str, effect: bool, key: str | None
) -> None:
    """Left incomplete, it would stay payable for 23 hours."""
    stage, policies = guards.stage, budget(2000)
    start = stage.router
    stage.router = lambda **changes: start(policies=policies, **changes)  # type: ignore[method-assign]
    stage.crash(SUBSCRIPTION, "", key, at=at, effect=effect)
    stage.recover()
    paid = key is not None or (effect and at.endswith("pay"))
    assert stage.states() == ["succeeded" if paid else "abandoned"]
    assert guards.bench.collected() == [500] * paid
    assert guards.bench.collectable() == []
    assert guards.used(MEMBERS) == 500 * paid


def test_without_rules_a_subscription_is_one_request(guards: GuardsBench) -> None:
    owe(guards.bench, 50_000)
    guards.bench.forget_requests()
    assert guards.bench.router.create_subscription(MEMBER).amount_minor == 50_500
    assert guards.bench.sent() == ["POST /v1/subscriptions"]


def test_pending_items_of_another_customer_are_not_taken_for_a_customer_s_debts(
    guards: GuardsBench,
) -> None:
    def change(line: str, body: dict[str, Any]) -> None:
        if line == "GET /v1/invoiceitems":
            body["data"] = [{**item, "amount": 0, "customer": "cus_two"} for item in body["data"]]

    guards.bench.dashboard.v1.invoice_items.create(
        {"customer": CUSTOMER, "amount": 90_000, "currency": "usd"}
    )
    guards.bench.wire.change = change
    lines = [{"price": MONTHLY, "quantity": 1}]
    with pytest.raises(StripeUnavailableError, match="cannot be read"):
        guards.router(LARGEST).create_checkout_session(MEMBER, lines, success_url=SUCCESS_URL)
    assert guards.bench.world.objects("checkout.session") == []
