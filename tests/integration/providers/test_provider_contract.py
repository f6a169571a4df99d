"""What the engine promises holds for every provider, whatever it has of HTTP, keys and lists."""

from __future__ import annotations

from decimal import Decimal

import pytest

from stripe_billing_router.client import BillingRouter, assembly_of, operators_desk
from stripe_billing_router.errors import (
    FrozenError,
    IdempotencyConflictError,
    InvalidRequestError,
    OutcomeUnknownError,
    PolicyViolationError,
)
from stripe_billing_router.models import (
    Budget,
    Operation,
    OperationState,
    Policies,
    PolicyRule,
    Result,
)
from stripe_billing_router.stripe_watchdog.inspection import Inspection
from stripe_billing_router.stripe_watchdog.limits import Limits
from tests.integration.charge.charge_bench import LEASE, Bench, Commits, Died
from tests.integration.providers.ways import WAYS, Way

pytestmark = pytest.mark.parametrize("way", WAYS, ids=[way.name for way in WAYS])

BUDGET = Policies((PolicyRule("spend", budgets=(Budget("day", 50_00, "usd"),)),))
WELL = {OperationState.SUCCEEDED, OperationState.PROCESSING}


def _operation(router: BillingRouter, result: Result) -> Operation:
    found = router.store.operation(str(result.operation_id))
    assert found is not None
    return found


def test_its_verbs_move_what_the_routers_verbs_move(bench: Bench, way: Way) -> None:
    parts = assembly_of(bench.router()).engine
    provider = parts.providers._named[way.name]
    assert {"charge", "refund"} <= set(provider.verbs)
    for name, verb in provider.verbs.items():
        ours = parts.verbs[name]
        facts = (verb.action_type, verb.moves, verb.gives_back, verb.result_type(), verb.events)
        assert facts == (
            ours.action_type,
            ours.moves,
            ours.gives_back,
            ours.result_type(),
            ours.events,
        )
        assert set(verb.arguments._fields) <= set(ours.arguments._fields)


def test_an_operation_names_its_provider(bench: Bench, way: Way) -> None:
    router = bench.router()
    assert _operation(router, router.charge(way.bot, 20)).provider == way.name


def test_a_charge_is_on_its_way_or_done_and_recorded_in_its_bots_stream(
    bench: Bench, way: Way
) -> None:
    router = bench.router()
    result = router.charge(way.bot, "19.99", "a book", metadata={"order": "7"})
    assert OperationState(result.state) in WELL
    way.settle(bench, router, result)
    *_, last = router.ledger.entries(bot_id=way.bot)
    assert (last.id, last.action_type, last.status) == (result.id, "charge", "succeeded")
    assert (last.amount_minor, last.currency, last.error) == (19_99, "usd", False)
    assert router.ledger.verify().ok
    assert [event.name for event in router.history(way.bot)][-1] == "operation.succeeded"


def test_one_key_is_one_payment(bench: Bench, way: Way) -> None:
    router = bench.router()
    first, second = (router.charge(way.bot, 20, idempotency_key="k") for _ in range(2))
    assert first.id == second.id
    with pytest.raises(IdempotencyConflictError):
        router.charge(way.bot, 21, idempotency_key="k")
    way.settle(bench, router, first)
    again = bench.router().charge(way.bot, 20, idempotency_key="k")
    assert (again.id, again.paid, again.amount) == (first.id, True, Decimal(20))
    assert len(router.store.operations(bot_id=way.bot)) == 1


def test_two_equal_calls_without_a_key_are_two_payments(bench: Bench, way: Way) -> None:
    router = bench.router()
    ids = set()
    for _ in range(2):
        result = router.charge(way.bot, 20)
        way.settle(bench, router, result)
        ids.add(result.id)
    assert len(ids) == 2


def test_a_freeze_stops_it(bench: Bench, way: Way) -> None:
    router = bench.router()
    operators_desk(router).freeze(way.bot, "rest", by="me")
    with pytest.raises(FrozenError):
        router.charge(way.bot, 20)
    assert router.store.operations(bot_id=way.bot) == []


def test_a_budget_counts_it_from_the_moment_it_is_asked_for(bench: Bench, way: Way) -> None:
    router = bench.router(policies=BUDGET)
    result = router.charge(way.bot, 30)
    with pytest.raises(PolicyViolationError):
        router.charge(way.bot, 30)
    way.settle(bench, router, result)
    with pytest.raises(PolicyViolationError):
        router.charge(way.bot, 30)
    assert router.charge(way.bot, 20).id


def test_a_refund_gives_back_what_was_paid_and_no_more(bench: Bench, way: Way) -> None:
    router = bench.router()
    payment = way.paid(bench, router)
    part = router.refund(way.bot, payment, amount=5)
    way.settle(bench, router, part)
    rest = router.refund(way.bot, payment, amount=15)
    way.settle(bench, router, rest)
    with pytest.raises(RuntimeError):
        router.refund(way.bot, payment, amount=1)
    entries = router.ledger.entries(bot_id=way.bot)
    refunds = [
        e.amount_minor for e in entries if e.action_type == "refund" and e.status == "succeeded"
    ]
    assert refunds == [5_00, 15_00]
    assert "payment.refunded" in [event.name for event in router.history(way.bot)]


def test_unknown_parameters_and_foreign_ids_are_refused_before_anything_is_written(
    bench: Bench, way: Way
) -> None:
    router = bench.router()
    with pytest.raises(InvalidRequestError):
        router.charge(way.bot, 20, ammount=30)
    with pytest.raises(InvalidRequestError):
        router.refund(way.bot, "nothing_1")
    assert router.store.operations(bot_id=way.bot) == []


def test_what_died_before_its_outcome_is_completed_by_its_key(
    bench: Bench, way: Way, commits: Commits
) -> None:
    router = bench.router()
    commits.fail(2, "before", Died())
    with pytest.raises(Died):
        router.charge(way.bot, 20, idempotency_key="k")
    commits.mend()
    bench.world.advance(LEASE)
    fresh = bench.router()
    result = fresh.charge(way.bot, 20, idempotency_key="k")
    assert OperationState(result.state) in WELL
    assert len(fresh.store.operations(bot_id=way.bot)) == 1


def test_what_died_without_a_key_blocks_its_equal_until_it_is_settled(
    bench: Bench, way: Way, commits: Commits
) -> None:
    commits.fail(2, "before", Died())
    with pytest.raises(Died):
        bench.router().charge(way.bot, 20)
    commits.mend()
    bench.world.advance(LEASE)
    fresh = bench.router()
    with pytest.raises(OutcomeUnknownError):
        fresh.charge(way.bot, 20)
    report = fresh.recover_operations()
    assert not report.escalated
    assert not report.left
    (operation,) = fresh.store.operations(bot_id=way.bot)
    assert operation.state in {*WELL, OperationState.ABANDONED}
    assert fresh.ledger.verify().ok


def test_recovery_leaves_what_is_done_alone_and_finds_nothing_to_tell(
    bench: Bench, way: Way
) -> None:
    router = bench.router()
    way.paid(bench, router)
    bench.world.advance(5 * 3600)
    report = router.recover_operations()
    assert report.escalated == ()
    assert {o.state for o in router.store.operations(bot_id=way.bot)} == {OperationState.SUCCEEDED}


def test_the_watchdog_has_nothing_to_say_of_it(bench: Bench, way: Way) -> None:
    router = bench.router()
    payment = way.paid(bench, router)
    way.settle(bench, router, router.refund(way.bot, payment, amount=5))
    inspection = Inspection(router, Limits(since_ms=router.store.now_ms() - 86_400_000))
    money = {"orphan_ledger_entry", "unauthorized_charge", "missing_charge", "amount_mismatch"}
    assert [f for f in inspection.findings() if f.check in money] == []
