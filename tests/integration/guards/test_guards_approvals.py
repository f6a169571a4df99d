"""Above a rule's amount a person decides; what they approve is done once, and as they saw it."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from stripe_billing_router.alerts import Alert
from stripe_billing_router.client import BillingRouter
from stripe_billing_router.errors import (
    ApprovalRequiredError,
    BillingError,
    IdempotencyConflictError,
    InvalidRequestError,
    LedgerUnavailableError,
    OutcomeUnknownError,
    PolicyViolationError,
)
from stripe_billing_router.models import Budget, Policies, PolicyRule, Write
from stripe_billing_router.ports import CommitAmbiguous
from stripe_billing_router.sandbox.rules.catalogue import keep_options
from stripe_billing_router.store import SqlStore
from tests.integration.guards.guards_bench import GuardsBench, approval_above, rules
from tests.integration.recovery.recovery_bench import DAY
from tests.integration.verbs.verbs_bench import BOT, EURO, MEMBER, OTHER, PAYING
from tests.integration.verbs.verbs_cases import (
    BY_PRICE,
    CHARGE,
    CHECKOUT,
    REFUND,
    SUBSCRIPTION,
    Case,
)

LARGE = approval_above(400)
ASKING = [CHARGE, BY_PRICE, REFUND, SUBSCRIPTION, CHECKOUT]


def asked(router: BillingRouter, **given: Any) -> ApprovalRequiredError:
    """Charge 19.99, which has to be approved; return what the bot is told."""
    with pytest.raises(ApprovalRequiredError) as caught:
        router.charge(BOT, **{"amount": "19.99", **given})
    return caught.value


@pytest.mark.parametrize("case", ASKING, ids=str)
def test_a_person_is_asked_and_then_it_is_done_once(
    guards: GuardsBench, paid: str, case: Case
) -> None:
    router, before = guards.router(LARGE), guards.moved()
    with pytest.raises(ApprovalRequiredError) as caught:
        case.call(router, paid, {})
    told = caught.value
    assert told.money == "not_moved"
    assert guards.bench.router.store.operation(str(told.operation_id)).state == "awaiting_approval"  # type: ignore[union-attr]
    assert [line for line in guards.bench.sent() if line.startswith("POST")] == []
    assert guards.moved() == before
    guards.desk.approve(told.approval_id, by="ann", note="fine")
    again = {"idempotency_key": told.idempotency_key}
    done = case.call(router, paid, again)
    assert (done.operation_id, done.state) == (told.operation_id, case.state)
    assert case.call(router, paid, again).id == done.id
    (approval,) = guards.approvals()
    assert (approval.state, approval.decided_by, approval.note) == ("used", "ann", "fine")


def test_an_approval_does_not_reach_to_a_price_that_was_changed(guards: GuardsBench) -> None:
    """Stripe lets people change what a price costs in its other currencies."""
    state = guards.bench.world.state()
    guards.bench.world.add_price("price_two", currency_options={"eur": 2000})
    policies = rules(PolicyRule("large", approval_above={"eur": 1000}))
    with pytest.raises(ApprovalRequiredError) as first:
        guards.router(policies).charge(EURO, price_id="price_two")
    guards.desk.approve(first.value.approval_id, by="ann")
    keep_options(state, state.require("price", "price_two"), {"eur": 90_000})
    given: Any = {"price_id": "price_two", "idempotency_key": first.value.idempotency_key}
    told = []
    for _ in range(2):
        with pytest.raises(ApprovalRequiredError) as anew:
            guards.router(policies).charge(EURO, **given)
        told.append(anew.value.approval_id)
    assert guards.bench.collected() == []
    assert told[0] == told[1] != first.value.approval_id
    assert guards.desk.approve(told[0], by="ann").amount_minor == 90_000
    assert guards.router(policies).charge(EURO, **given).amount_minor == 90_000
    assert guards.bench.collected() == [90_000]


def test_up_to_the_amount_nobody_is_asked(guards: GuardsBench) -> None:
    assert guards.router(LARGE).charge(BOT, "4.00").paid
    assert guards.approvals() == []


def test_while_nobody_has_decided_the_same_is_told_again(guards: GuardsBench) -> None:
    router = guards.router(LARGE)
    first = asked(router, idempotency_key="k")
    assert first.idempotency_key == "k"
    again = asked(guards.router(LARGE), idempotency_key="k")
    assert again.approval_id == first.approval_id
    assert len(guards.approvals()) == 1


def test_an_equal_call_without_a_key_is_pointed_to_the_open_question(guards: GuardsBench) -> None:
    router = guards.router(LARGE)
    first = asked(router)
    again = asked(router)
    assert (again.approval_id, again.idempotency_key) == (first.approval_id, first.idempotency_key)
    guards.desk.approve(first.approval_id, by="ann")
    assert asked(router).approval_id == first.approval_id
    assert asked(router, amount="20.00").approval_id != first.approval_id


def test_a_rejection_is_final_for_its_key(guards: GuardsBench) -> None:
    router = guards.router(LARGE)
    told = asked(router, idempotency_key="k")
    guards.desk.reject(told.approval_id, by="bob", note="no")
    for policies in (LARGE, Policies()):
        with pytest.raises(PolicyViolationError, match="rejected by bob") as caught:
            guards.router(policies).charge(BOT, "19.99", idempotency_key="k")
        assert caught.value.money == "not_moved"
    assert asked(router, idempotency_key="other").approval_id != told.approval_id
    with pytest.raises(InvalidRequestError, match="bob"):
        guards.desk.approve(told.approval_id, by="ann")


def test_what_was_approved_can_be_taken_back_until_it_is_used(guards: GuardsBench) -> None:
    router = guards.router(LARGE)
    told = asked(router, idempotency_key="k")
    guards.desk.approve(told.approval_id, by="ann")
    guards.desk.reject(told.approval_id, by="bob")
    with pytest.raises(PolicyViolationError):
        router.charge(BOT, "19.99", idempotency_key="k")
    assert guards.moved() == 0


@pytest.mark.parametrize("approved", [True, False])
def test_after_a_day_people_are_asked_anew(guards: GuardsBench, approved: bool) -> None:
    router = guards.router(LARGE)
    told = asked(router, idempotency_key="k")
    if approved:
        guards.desk.approve(told.approval_id, by="ann")
    guards.bench.world.advance(DAY)
    again = asked(router, idempotency_key="k")
    assert again.approval_id != told.approval_id
    with pytest.raises(InvalidRequestError, match="expired"):
        guards.desk.approve(told.approval_id, by="ann")
    guards.desk.approve(again.approval_id, by="ann")
    assert router.charge(BOT, "19.99", idempotency_key="k").paid
    assert guards.moved() == 1


def test_an_approval_is_good_for_no_other_amount_customer_or_bot(guards: GuardsBench) -> None:
    router = guards.router(LARGE)
    told = asked(router, idempotency_key="k")
    guards.desk.approve(told.approval_id, by="ann")
    others: tuple[dict[str, Any], ...] = (
        {"amount": "20.00"},
        {"customer_id": OTHER},
        {"metadata": {"a": "b"}},
    )
    for other in others:
        with pytest.raises(IdempotencyConflictError):
            router.charge(BOT, **{"amount": "19.99", "idempotency_key": "k", **other})
    with pytest.raises(ApprovalRequiredError) as caught:
        router.charge(MEMBER, "19.99", idempotency_key="k")
    assert caught.value.approval_id != told.approval_id
    with pytest.raises(ApprovalRequiredError) as caught:
        router.create_subscription(BOT, price_id="price_monthly", idempotency_key="k")
    assert caught.value.approval_id != told.approval_id
    assert guards.moved() == 0


@pytest.mark.parametrize(
    "route",
    [{"customer_id": OTHER}, {"currency": "eur"}, {"payment_method_id": "pm_two"}],
    ids=str,
)
def test_an_approval_is_good_for_no_other_route(guards: GuardsBench, route: dict[str, str]) -> None:
    router = guards.router(rules(PolicyRule("large", approval_above={"usd": 400, "eur": 400})))
    told = asked(router, idempotency_key="k")
    guards.desk.approve(told.approval_id, by="ann")
    known = dict(router.routes["stripe", "default", "finance", "bot"])
    router.register_route("finance", "bot", {**known, **route})
    again = asked(router, idempotency_key="k")
    assert again.approval_id != told.approval_id
    assert guards.moved() == 0
    router.register_route("finance", "bot", known)
    assert router.charge(BOT, "19.99", idempotency_key="k").paid
    assert guards.moved() == 1


def test_eight_at_once_use_one_approval_for_one_effect(guards: GuardsBench) -> None:
    told = asked(guards.router(LARGE), idempotency_key="k")
    guards.desk.approve(told.approval_id, by="ann")
    routers = [guards.router(LARGE) for _ in range(8)]
    barrier, ended = threading.Barrier(8), []

    def use(router: BillingRouter) -> None:
        barrier.wait()
        try:
            ended.append(router.charge(BOT, "19.99", idempotency_key="k").id)
        except BillingError as error:
            ended.append(type(error).__name__)

    threads = [threading.Thread(target=use, args=(router,)) for router in routers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert guards.moved() == 1
    assert len(ended) == 8
    assert {name for name in ended if not name.startswith("pi_")} <= {"OperationInProgressError"}


def test_eight_at_once_ask_once_under_one_key(guards: GuardsBench) -> None:
    routers = [guards.router(LARGE) for _ in range(8)]
    barrier, told = threading.Barrier(8), []

    def ask(router: BillingRouter) -> None:
        barrier.wait()
        told.append(asked(router, idempotency_key="k").approval_id)

    threads = [threading.Thread(target=ask, args=(router,)) for router in routers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told) == 8
    assert len(set(told)) == 1
    assert len(guards.approvals()) == 1


def test_what_was_approved_and_not_executed_is_asked_anew(guards: GuardsBench) -> None:
    """An approval is used once, also where Stripe could not be reached."""
    router = guards.router(LARGE)
    told = asked(router, idempotency_key="k")
    guards.desk.approve(told.approval_id, by="ann")
    guards.bench.fault("refused", PAYING, times=100)
    with pytest.raises(BillingError):
        router.charge(BOT, "19.99", idempotency_key="k")
    guards.bench.world.faults.clear()
    again = asked(router, idempotency_key="k")
    assert again.approval_id != told.approval_id
    assert guards.operations()[0].state == "abandoned"
    guards.desk.approve(again.approval_id, by="ann")
    assert router.charge(BOT, "19.99", idempotency_key="k").paid


def test_a_rejection_of_what_was_abandoned_is_final_too(guards: GuardsBench) -> None:
    guards.bench.fault("refused", PAYING, times=100)
    with pytest.raises(BillingError):
        guards.router(Policies()).charge(BOT, "19.99", idempotency_key="k")
    guards.bench.world.faults.clear()
    told = asked(guards.router(LARGE), idempotency_key="k")
    guards.desk.reject(told.approval_id, by="bob")
    with pytest.raises(PolicyViolationError, match="rejected by bob"):
        guards.router(LARGE).charge(BOT, "19.99", idempotency_key="k")


def test_an_approved_call_in_doubt_goes_on_with_its_approval(guards: GuardsBench) -> None:
    router = guards.router(LARGE)
    told = asked(router, idempotency_key="k")
    guards.desk.approve(told.approval_id, by="ann")
    guards.bench.fault("cut", PAYING, times=100)
    with pytest.raises(OutcomeUnknownError):
        router.charge(BOT, "19.99", idempotency_key="k")
    guards.bench.world.faults.clear()
    assert guards.router(LARGE).charge(BOT, "19.99", idempotency_key="k").paid


def test_an_equal_call_without_a_key_is_no_second_payment_while_the_approved_one_is_in_doubt(
    guards: GuardsBench,
) -> None:
    router = guards.router(LARGE)
    told = asked(router)
    key = told.idempotency_key
    guards.desk.approve(str(told.approval_id), by="ann")
    guards.bench.fault("timeout", PAYING, times=100, effect=True)
    with pytest.raises(OutcomeUnknownError):
        router.charge(BOT, "19.99", idempotency_key=key)
    guards.bench.world.faults.clear()
    with pytest.raises(OutcomeUnknownError) as doubted:
        router.charge(BOT, "19.99")
    assert (doubted.value.operation_id, doubted.value.idempotency_key) == (told.operation_id, key)
    assert len(guards.approvals()) == 1
    assert router.charge(BOT, "19.99", idempotency_key=key).paid
    assert guards.moved() == 1
    assert asked(router).approval_id != told.approval_id


def test_what_was_never_approved_is_not_sent_again_once_a_rule_asks(guards: GuardsBench) -> None:
    guards.bench.fault("cut", PAYING, times=100)
    with pytest.raises(OutcomeUnknownError):
        guards.router(Policies()).charge(BOT, "19.99", idempotency_key="k")
    guards.bench.world.faults.clear()
    with pytest.raises(PolicyViolationError) as caught:
        guards.router(LARGE).charge(BOT, "19.99", idempotency_key="k")
    assert caught.value.money == "unknown"
    assert guards.moved() == 0


def test_an_approval_gives_no_way_around_a_budget_or_a_freeze(guards: GuardsBench) -> None:
    both = rules(
        PolicyRule("large", approval_above={"usd": 400}),
        PolicyRule("spend", budgets=(Budget("day", 1000, "usd"),)),
    )
    told = asked(guards.router(both), idempotency_key="k")
    guards.desk.approve(told.approval_id, by="ann")
    with pytest.raises(PolicyViolationError, match="spend"):
        guards.router(both).charge(BOT, "19.99", idempotency_key="k")
    guards.desk.freeze(BOT, "stop", "ann")
    with pytest.raises(BillingError, match="frozen"):
        guards.router(LARGE).charge(BOT, "19.99", idempotency_key="k")
    assert [a.state for a in guards.approvals()] == ["approved"]


def test_observers_hear_of_questions_and_answers(guards: GuardsBench) -> None:
    told = asked(guards.router(LARGE), idempotency_key="k")
    guards.desk.approve(told.approval_id, by="ann")
    guards.desk.reject(told.approval_id, by="bob")
    assert guards.stage.told.names == ["approval.asked", "approval.approved", "approval.rejected"]


def test_a_question_is_an_alert_that_leaves_the_house_and_is_in_the_log(
    guards: GuardsBench, caplog: pytest.LogCaptureFixture
) -> None:
    """Else nobody knows that somebody waits for them."""
    sent: list[Alert] = []
    told = asked(guards.router(LARGE, alert_dispatcher=sent.append), idempotency_key="k")
    (alert,) = sent
    assert (alert.name, alert.severity, alert.bot_id) == ("approval.asked", 4.0, BOT)
    assert f"approvals approve {told.approval_id}" in alert.message
    assert "19.99 usd" in alert.message
    assert alert.message in caplog.text
    asked(guards.router(LARGE, alert_dispatcher=sent.append), idempotency_key="k")
    assert len(sent) == 1


def test_no_line_of_the_log_holds_what_a_terminal_would_obey(
    guards: GuardsBench, caplog: pytest.LogCaptureFixture
) -> None:
    guards.desk.freeze(BOT, "stop\nINFO all is well\x1b[2J\u202e", by="ann")
    (line,) = [one.getMessage() for one in caplog.records if "bot.frozen" in one.getMessage()]
    assert line.isprintable()
    assert "stop\\nINFO all is well\\x1b[2J" in line


def test_only_what_exists_is_decided(guards: GuardsBench) -> None:
    for name in ("apr_none", "", None, "ä"):
        with pytest.raises(InvalidRequestError, match="no approval"):
            guards.desk.approve(name, by="ann")


@pytest.mark.parametrize("written", [True, False])
def test_a_database_that_breaks_off_asks_nobody_twice(
    guards: GuardsBench, monkeypatch: pytest.MonkeyPatch, written: bool
) -> None:
    router, commit = guards.router(LARGE), SqlStore.commit

    def break_off(store: SqlStore, *writes: Write) -> None:
        if written:
            commit(store, *writes)
        raise CommitAmbiguous

    monkeypatch.setattr(SqlStore, "commit", break_off)
    with pytest.raises(LedgerUnavailableError) as caught:
        router.charge(BOT, "19.99")
    assert caught.value.money == "not_moved"
    with pytest.raises(LedgerUnavailableError):
        guards.desk.freeze("*", "x", by="ann")
    monkeypatch.setattr(SqlStore, "commit", commit)
    if written:
        guards.desk.unfreeze("*", by="ann")
    asked(router)
    assert len(guards.approvals()) == 1


def test_people_see_the_amount_of_a_whole_refund(guards: GuardsBench, paid: str) -> None:
    with pytest.raises(ApprovalRequiredError):
        guards.router(LARGE).refund(BOT, paid)
    (approval,) = guards.approvals()
    assert (approval.amount_minor, approval.currency) == (5000, "usd")
