"""Rules are asked again before every resend; what they refuse by then stays in doubt."""

from __future__ import annotations

import pytest

from stripe_billing_router.errors import OutcomeUnknownError, PolicyViolationError
from stripe_billing_router.models import Policies, PolicyRule
from tests.integration.guards.guards_bench import GuardsBench, budget, rules
from tests.integration.verbs.verbs_bench import BOT
from tests.integration.verbs.verbs_cases import BY_PRICE, CHARGE, CHECKOUT, SUBSCRIPTION, Case

NOTHING = rules(PolicyRule("nothing", verbs=frozenset({"get_balance"})))
SENDING = [CHARGE, BY_PRICE, SUBSCRIPTION, CHECKOUT]


def in_doubt(guards: GuardsBench, case: Case, policies: Policies) -> None:
    """Leave a call behind that may or may not have been executed: it was not."""
    guards.bench.fault("cut", case.sends, times=100)
    with pytest.raises(OutcomeUnknownError):
        case.call(guards.router(policies), "pi_none", {"idempotency_key": "k"})
    guards.bench.world.faults.clear()


@pytest.mark.parametrize("case", SENDING, ids=str)
def test_a_repeated_call_that_a_rule_refuses_by_now_is_not_sent(
    guards: GuardsBench, case: Case
) -> None:
    in_doubt(guards, case, budget())
    held = sum(usage.used for usage in guards.bench.router.store.budgets())
    guards.bench.forget_requests()
    with pytest.raises(PolicyViolationError, match="nothing") as caught:
        case.call(guards.router(NOTHING), "pi_none", {"idempotency_key": "k"})
    assert caught.value.money == "unknown"
    assert not [line for line in guards.bench.sent() if line.startswith("POST")]
    (operation,) = guards.operations()
    assert operation.state == "unknown"
    assert caught.value.operation_id == operation.operation_id
    assert sum(usage.used for usage in guards.bench.router.store.budgets()) == held


@pytest.mark.parametrize("case", SENDING, ids=str)
def test_recovery_does_not_complete_what_a_rule_refuses_by_now(
    guards: GuardsBench, case: Case
) -> None:
    in_doubt(guards, case, budget())
    guards.router(NOTHING).recover_operations()
    assert [op.state for op in guards.operations()] == ["abandoned"]
    assert guards.moved() == 0
    assert guards.used() == 0


def test_recovery_completes_what_the_rules_still_allow(guards: GuardsBench) -> None:
    in_doubt(guards, CHARGE, budget())
    assert len(guards.router(budget()).recover_operations().completed) == 1
    assert (guards.moved(), guards.used()) == (1, 1999)


def test_what_was_sent_before_there_was_a_budget_takes_its_part_when_it_goes_on(
    guards: GuardsBench,
) -> None:
    in_doubt(guards, CHARGE, Policies())
    assert guards.used() == 0
    assert CHARGE.call(guards.router(budget()), "", {"idempotency_key": "k"}).paid
    assert guards.used() == 1999


def test_recovery_takes_that_part_too(guards: GuardsBench) -> None:
    in_doubt(guards, CHARGE, Policies())
    assert len(guards.router(budget()).recover_operations().completed) == 1
    assert guards.used() == 1999


@pytest.mark.parametrize("recovery", [True, False])
def test_where_that_part_does_not_fit_it_is_not_sent(guards: GuardsBench, recovery: bool) -> None:
    in_doubt(guards, CHARGE, Policies())
    guards.router(budget()).charge(BOT, 90)
    if recovery:
        guards.router(budget()).recover_operations()
    else:
        with pytest.raises(PolicyViolationError) as caught:
            CHARGE.call(guards.router(budget()), "", {"idempotency_key": "k"})
        assert caught.value.money == "unknown"
    assert (guards.moved(), guards.used()) == (1, 9000)


def test_a_resend_within_one_call_keeps_its_one_part(guards: GuardsBench) -> None:
    guards.bench.fault("cut", CHARGE.sends, effect=True)
    assert CHARGE.call(guards.router(budget()), "", {}).paid
    assert guards.used() == 1999
