"""What schedules have found once, told again as short as it can be."""

from __future__ import annotations

from stripe_billing_router.models import Budget, PolicyRule
from tests.simulation.bed import Bed
from tests.simulation.guard_mutations import GUARD_MUTATIONS
from tests.simulation.house import House
from tests.simulation.invariants import violations
from tests.simulation.mutations import sends_for_ever
from tests.simulation.schedule import (
    HOUR,
    Ask,
    Crash,
    Injection,
    Intent,
    Jump,
    Recover,
    Schedule,
    Suspend,
    Wait,
)
from tests.simulation.simulation import Simulation

_BUDGET = Budget("hour", 1500, "usd", shared=True, refunds_restore=True)
_DIES_BEFORE_IT_REFUNDS = Injection("send.before", 1, Crash(), "ask", posts_only=True)


def test_recovery_that_stood_still_over_a_budget_sends_nothing_late(bed: Bed) -> None:
    late = _story(Injection("commit.after", 1, Jump(25 * HOUR, wall_only=False), "recover"))
    assert found(bed, late) == []
    with sends_for_ever():
        assert found(bed, late)


def test_recovery_that_was_taken_over_takes_nothing_of_a_budget(bed: Bed) -> None:
    taken_over = _story(Injection("commit.after", 0, Suspend(130.0, (Recover(1),)), "recover"))
    assert found(bed, taken_over) == []
    with GUARD_MUTATIONS["who was taken over reserves all the same"].mutation():
        assert found(bed, taken_over)


def found(bed: Bed, schedule: Schedule) -> list[str]:
    simulation = Simulation(bed, schedule)
    simulation.play()
    assert len(simulation.fired) == len(schedule.injections)
    return violations(simulation)


def _story(injection: Injection) -> Schedule:
    """A refund that gives a budget something back; its bot dies, and recovery takes it up."""
    return Schedule(
        seed=0,
        intents=(
            Intent(0, "refund", "key-0", "succeeds", of=1),
            Intent(1, "charge by amount", "key-1", "succeeds"),
        ),
        happenings=(Ask(1, 0), Ask(0, 0), Wait(130.0), Recover(0)),
        injections=(_DIES_BEFORE_IT_REFUNDS, injection),
        deaths_show=True,
        house=House((PolicyRule("together", budgets=(_BUDGET,)),)),
    )
