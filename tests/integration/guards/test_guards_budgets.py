"""A budget is reserved with the intent, and settled with the outcome."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from stripe_billing_router.client import BillingRouter
from stripe_billing_router.errors import (
    BillingError,
    OutcomeUnknownError,
    PolicyViolationError,
    RouteNotFoundError,
)
from stripe_billing_router.models import Budget, CallLimit, Policies, PolicyRule
from tests.integration.guards.guards_bench import CALLS, MONEY, GuardsBench, budget, rules
from tests.integration.recovery.recovery_bench import DAY
from tests.integration.verbs.verbs_bench import BOT, MEMBER, PAYING, Bench
from tests.integration.verbs.verbs_cases import (
    BY_PRICE,
    CASES,
    CHARGE,
    CHECKOUT,
    NEW_CUSTOMER,
    SUBSCRIPTION,
    Case,
)

OTHER_BOT = MEMBER
SHARED = "spend/money/day/usd/*"
SPENDING = (CHARGE, BY_PRICE, SUBSCRIPTION)
PLANNED = {"charge": 1999, "by_price": 1999, "subscription": 500, "checkout": 3998}


def money(case: Case) -> str:
    return MONEY.replace("finance:bot", case.bot)


def calls(case: Case) -> str:
    return CALLS.replace("finance:bot", case.bot)


def run(guards: GuardsBench, case: Case, paid: str = "pi_none", **given: Any) -> Any:
    return case.call(guards.router(budget()), paid, {"idempotency_key": "k", **given})


@pytest.mark.parametrize("case", SPENDING, ids=str)
def test_a_success_leaves_what_was_collected(guards: GuardsBench, case: Case) -> None:
    run(guards, case)
    assert guards.used(money(case)) == PLANNED[case.name]
    assert guards.used(calls(case)) == 1


@pytest.mark.parametrize("case", SPENDING, ids=str)
def test_a_replay_takes_nothing_more(guards: GuardsBench, case: Case) -> None:
    run(guards, case)
    run(guards, case)
    assert guards.used(money(case)) == PLANNED[case.name]
    assert guards.used(calls(case)) == 1


@pytest.mark.parametrize("case", SPENDING, ids=str)
def test_a_decline_releases_the_money_and_keeps_the_call(guards: GuardsBench, case: Case) -> None:
    guards.bench.world.set_outcome("pm_one", "declined:lost_card")
    with pytest.raises(BillingError):
        run(guards, case)
    assert guards.used(money(case)) == 0
    assert guards.used(calls(case)) == 1


@pytest.mark.parametrize("case", [*SPENDING, CHECKOUT], ids=str)
def test_a_refusal_by_stripe_releases_the_money(guards: GuardsBench, case: Case) -> None:
    with pytest.raises(BillingError):
        run(guards, case, **case.wrong)
    assert guards.used(money(case)) == 0


@pytest.mark.parametrize("case", [*SPENDING, CHECKOUT], ids=str)
@pytest.mark.parametrize("fault", ["refused", "rate_limited"])
def test_what_was_not_executed_releases_the_money(
    guards: GuardsBench, case: Case, fault: str
) -> None:
    guards.bench.fault(fault, case.sends, times=100)
    with pytest.raises(BillingError) as caught:
        run(guards, case)
    assert caught.value.money == "not_moved"
    assert guards.used(money(case)) == 0
    assert guards.used(calls(case)) == 1
    guards.bench.world.faults.clear()
    run(guards, case)
    assert guards.used(money(case)) == PLANNED[case.name]


@pytest.mark.parametrize("case", [*SPENDING, CHECKOUT], ids=str)
@pytest.mark.parametrize("effect", [True, False])
def test_doubt_keeps_the_money_until_it_is_settled(
    guards: GuardsBench, case: Case, effect: bool
) -> None:
    guards.bench.fault("cut", case.sends, effect=effect, times=100)
    with pytest.raises(OutcomeUnknownError):
        run(guards, case, idempotency_key=None)
    assert guards.used(money(case)) == PLANNED[case.name]
    guards.bench.world.faults.clear()
    guards.router(budget()).recover_operations()
    (operation,) = guards.operations()
    happened = operation.state == "succeeded"
    assert guards.used(money(case)) == (PLANNED[case.name] if happened else 0)
    assert happened == (effect and case is CHARGE)


@pytest.mark.parametrize("case", [*SPENDING, CHECKOUT], ids=str)
def test_a_crash_keeps_the_money_and_recovery_settles_it(guards: GuardsBench, case: Case) -> None:
    stage, policies = guards.stage, budget()
    crash = stage.router
    stage.router = lambda **changes: crash(policies=policies, **changes)  # type: ignore[method-assign]
    stage.crash(case, "pi_none", None, effect=False)
    assert guards.used(money(case)) == PLANNED[case.name]
    stage.recover()
    assert guards.used(money(case)) == 0
    assert guards.used(calls(case)) == 1


def test_a_checkout_session_holds_its_money_until_it_ends(guards: GuardsBench) -> None:
    waiting = run(guards, CHECKOUT)
    assert guards.used() == 3998
    guards.router(budget()).cancel(waiting.operation_id)
    assert guards.used() == 0


def test_a_payment_that_waits_for_its_customer_holds_its_money(guards: GuardsBench) -> None:
    waiting = run(guards, CHARGE, on_session=True)
    assert guards.used() == 1999
    guards.bench.world.advance(2 * DAY)
    guards.router(budget()).recover_operations()
    assert guards.used() == 0
    assert guards.operations()[0].operation_id == waiting.operation_id
    assert guards.operations()[0].state == "canceled"


def test_a_payment_under_way_holds_its_money(guards: GuardsBench) -> None:
    guards.bench.world.set_outcome("pm_one", "processing")
    run(guards, CHARGE)
    assert guards.used() == 1999


def test_a_customer_takes_a_call_and_no_money(guards: GuardsBench) -> None:
    run(guards, NEW_CUSTOMER)
    assert (guards.used(), guards.used(CALLS)) == (0, 1)


@pytest.mark.parametrize("restores", [True, False])
def test_a_refund_gives_back_only_where_the_rule_says_so(
    guards: GuardsBench, restores: bool
) -> None:
    policies = budget(refunds_restore=restores)
    router = guards.router(policies)
    payment = router.charge(BOT, "30.00")
    router.refund(BOT, payment.id, amount="10.00")
    assert guards.used() == (2000 if restores else 3000)


def test_a_refund_that_fails_gives_nothing_back(guards: GuardsBench) -> None:
    router = guards.router(budget(refunds_restore=True))
    payment = router.charge(BOT, "30.00")
    with pytest.raises(BillingError):
        router.refund(BOT, payment.id, amount="30.01")
    assert guards.used() == 3000


def test_a_refund_of_what_the_budget_never_paid_gives_nothing_back(
    guards: GuardsBench, paid: str
) -> None:
    """Another's payment, one of before the rule, and one in another currency's counter."""
    router = guards.router(budget(refunds_restore=True, shared=True))
    before = guards.router(rules()).charge(BOT, "40.00")
    other = guards.router(budget(shared=True)).charge(OTHER_BOT, "20.00")
    router.charge(BOT, "30.00")
    assert guards.used(SHARED) == 5000
    router.refund(BOT, before.id)
    router.refund(BOT, paid, amount="5.00")
    router.refund(BOT, other.id, amount="5.00")
    assert guards.used(SHARED) == 5000
    router.refund(OTHER_BOT, other.id, amount="5.00")
    assert guards.used(SHARED) == 4500


def test_refunds_of_a_payment_give_back_no_more_than_it_took(guards: GuardsBench) -> None:
    """What was collected beyond the plan, or refunded in parts, counts once."""
    router = guards.router(budget(refunds_restore=True))
    payment = router.charge(BOT, "30.00")
    router.charge(BOT, "50.00")
    for _ in range(3):
        router.refund(BOT, payment.id, amount="10.00")
    assert guards.used() == 5000
    with pytest.raises(BillingError):
        router.refund(BOT, payment.id, amount="10.00")
    assert guards.used() == 5000


def test_a_refund_in_a_later_window_gives_that_window_nothing(guards: GuardsBench) -> None:
    router = guards.router(budget(refunds_restore=True))
    payment = router.charge(BOT, "90.00")
    guards.bench.world.advance(DAY)
    router.charge(BOT, "100.00")
    router.refund(BOT, payment.id)
    today, yesterday = router.store.budgets([MONEY])
    assert (today.used, yesterday.used) == (10000, 0)
    with pytest.raises(PolicyViolationError):
        router.charge(BOT, "0.50")


@pytest.mark.parametrize("case", [BY_PRICE, SUBSCRIPTION], ids=str)
def test_a_refund_by_an_invoice_gives_back_what_it_took(guards: GuardsBench, case: Case) -> None:
    router = guards.router(budget(refunds_restore=True))
    done = case.call(router, "", {})
    invoice = done.id if case is BY_PRICE else done["latest_invoice"]["id"]
    router.refund(case.bot, invoice)
    assert guards.used(money(case)) == 0


def test_the_error_names_rule_limit_and_what_is_left(guards: GuardsBench) -> None:
    router = guards.router(budget())
    router.charge(BOT, "99.50")
    with pytest.raises(PolicyViolationError, match="spend") as caught:
        router.charge(BOT, "0.51", idempotency_key="over")
    assert (caught.value.rule, caught.value.limit) == ("spend", Decimal("100.00"))
    assert caught.value.remaining == Decimal("0.50")
    assert caught.value.money == "not_moved"
    assert len(guards.operations()) == 1
    router.charge(BOT, "0.50", idempotency_key="over")
    assert guards.used() == 10000


def test_calls_are_counted_whatever_becomes_of_them(guards: GuardsBench) -> None:
    few = rules(PolicyRule("few", call_limits=(CallLimit("hour", 2),)))
    router = guards.router(few)
    guards.bench.world.set_outcome("pm_one", "declined:lost_card")
    for _ in range(2):
        with pytest.raises(BillingError):
            router.charge(BOT, 1)
    with pytest.raises(PolicyViolationError) as caught:
        router.create_customer(BOT, {"name": "x"})
    assert (caught.value.limit, caught.value.remaining) == (2, 0)


def test_a_key_that_is_tried_again_and_again_is_a_call_each_time(guards: GuardsBench) -> None:
    few = rules(PolicyRule("few", call_limits=(CallLimit("hour", 2),)))
    guards.bench.fault("refused", PAYING, times=100)
    for _ in range(2):
        with pytest.raises(BillingError):
            guards.router(few).charge(BOT, 5, idempotency_key="k")
    with pytest.raises(PolicyViolationError):
        guards.router(few).charge(BOT, 5, idempotency_key="k")


def test_a_new_window_begins_anew_and_an_old_operation_is_settled_in_its_own(
    guards: GuardsBench,
) -> None:
    waiting = run(guards, CHARGE, amount="90.00", on_session=True)
    with pytest.raises(PolicyViolationError):
        guards.router(budget()).charge(BOT, 20)
    guards.bench.world.advance(DAY)
    guards.router(budget()).charge(BOT, 20)
    guards.router(budget()).cancel(waiting.operation_id)
    by_window = [usage.used for usage in guards.bench.router.store.budgets([MONEY])]
    assert by_window == [2000, 0]


def test_a_subscription_reserves_its_quantity(guards: GuardsBench) -> None:
    """Seen elsewhere: a subscription with quantity 1,000 passes a budget."""
    with pytest.raises(PolicyViolationError) as caught:
        run(guards, SUBSCRIPTION, quantity=1000)
    assert caught.value.remaining == Decimal("100.00")
    run(guards, SUBSCRIPTION, quantity=20)
    assert guards.used(money(SUBSCRIPTION)) == 10000


def test_a_price_times_quantity_is_what_is_reserved(guards: GuardsBench) -> None:
    with pytest.raises(PolicyViolationError):
        run(guards, BY_PRICE, quantity=6)
    run(guards, BY_PRICE, quantity=5)
    assert guards.used() == 9995


def test_a_price_whose_amount_is_not_known_is_refused_under_a_budget(guards: GuardsBench) -> None:
    """Where tax is added, what is collected is known only when it is."""
    with pytest.raises(PolicyViolationError):
        run(guards, BY_PRICE, automatic_tax={"enabled": True})
    assert guards.operations() == []


def test_a_shared_budget_is_one_for_all_bots_that_match(guards: GuardsBench) -> None:
    shared = budget(shared=True)
    guards.router(shared).charge(BOT, "99.00")
    with pytest.raises(PolicyViolationError):
        guards.router(shared).create_subscription(MEMBER)
    guards.router(shared).charge(MEMBER, "1.00")


def test_of_two_rules_the_strictest_holds_and_nothing_is_taken_of_the_other(
    guards: GuardsBench,
) -> None:
    both = rules(
        PolicyRule("wide", budgets=(Budget("day", 10_000, "usd"),)),
        PolicyRule("narrow", budgets=(Budget("hour", 500, "usd"),)),
    )
    with pytest.raises(PolicyViolationError) as caught:
        guards.router(both).charge(BOT, "5.01")
    assert caught.value.rule == "narrow"
    assert guards.used("wide/money/day/usd/finance:bot") == 0


def test_spelling_makes_no_second_budget(guards: GuardsBench) -> None:
    guards.router(budget()).charge(f"stripe:{BOT}", "99.00")
    with pytest.raises(PolicyViolationError):
        guards.router(budget()).charge(BOT, "1.01")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_without_rules_nothing_is_counted(bench: Bench, paid: str, case: Case) -> None:
    case.call(bench.router, paid, {})
    assert bench.router.store.budgets() == []


ROUTE = {"product_id": "prod_one", "price_id": "price_one", "customer_id": "cus_one"}


def made_at_run_time(router: BillingRouter, *names: str) -> list[str]:
    """Bots that the routing file does not name."""
    for name in names:
        router.register_route("finance", name, ROUTE)
    return [f"finance:{name}" for name in names]


def test_bots_made_at_run_time_share_what_the_rules_give_to_each(guards: GuardsBench) -> None:
    limited = replace(budget(), new_bots="limited")
    router = guards.router(limited)
    for bot in made_at_run_time(router, "one", "two"):
        router.charge(bot, "50.00")
    (three,) = made_at_run_time(router, "three")
    with pytest.raises(PolicyViolationError) as told:
        router.charge(three, "0.50")
    assert (told.value.rule, told.value.remaining) == ("spend", Decimal(0))
    left = [limit.left for limit in router.explain(three).limits if limit.what == "budget"]
    assert left == [Decimal(0)]
    assert router.charge(BOT, "100.00").paid
    elsewhere = guards.router(limited)
    (four,) = made_at_run_time(elsewhere, "four")
    with pytest.raises(PolicyViolationError):
        elsewhere.charge(four, "0.50")


def test_bots_made_at_run_time_share_their_calls(guards: GuardsBench) -> None:
    one_call = rules(PolicyRule("few", call_limits=(CallLimit("day", 1),)))
    router = guards.router(replace(one_call, new_bots="limited"))
    one, two = made_at_run_time(router, "one", "two")
    router.charge(one, 5)
    with pytest.raises(PolicyViolationError):
        router.charge(two, 5)
    assert router.charge(BOT, 5).paid


@pytest.mark.parametrize("word", ["refused", "limited"])
def test_a_bot_makes_itself_no_region_without_limits(guards: GuardsBench, word: Any) -> None:
    """Nor a name, where rules say for which names and regions they are."""
    capped = rules(PolicyRule("cap", region="default", bot_name="bot", largest={"usd": 1000}))
    router = guards.router(replace(capped, new_bots=word))
    for name, region in (("bot", "eu"), ("new", "default"), ("new", "eu")):
        with pytest.raises(PolicyViolationError) as told:
            router.register_route("finance", name, ROUTE, region=region)
        assert told.value.rule == "new_bots"
    router.register_route("finance", "bot", ROUTE)
    with pytest.raises(PolicyViolationError):
        router.charge(BOT, "10.01")


def test_a_region_made_at_run_time_shares_what_the_rules_give(guards: GuardsBench) -> None:
    router = guards.router(replace(budget(), new_bots="limited"))
    router.register_route("finance", "bot", ROUTE, region="eu")
    (one,) = made_at_run_time(router, "one")
    router.charge(one, "60.00")
    with pytest.raises(PolicyViolationError):
        router.charge(BOT, "60.00", overrides={"region": "eu"})
    assert router.charge(BOT, "100.00").paid


def test_bots_made_at_run_time_can_be_refused(guards: GuardsBench) -> None:
    router = guards.router(Policies(new_bots="refused"))
    with pytest.raises(PolicyViolationError, match="add it to the file") as told:
        made_at_run_time(router, "one")
    assert told.value.rule == "new_bots"
    with pytest.raises(RouteNotFoundError):
        router.charge("finance:one", 5)
    with pytest.raises(PolicyViolationError):
        router.register_route("finance", "bot", ROUTE, domain="acme")
    router.register_route("finance", "bot", ROUTE)
    assert router.charge(BOT, 5).paid


def test_unless_the_rules_say_otherwise_they_are_bots_like_any_other(guards: GuardsBench) -> None:
    router = guards.router(budget())
    for bot in made_at_run_time(router, "one", "two"):
        assert router.charge(bot, "100.00").paid
