"""A process may die, stand still or lose its network or database anywhere: nothing is collected
twice, late or unrecorded, beyond a budget, without its approval or after a freeze, nothing stays
payable, and every caller is told the truth."""

from __future__ import annotations

import pytest

from tests.simulation.bed import Bed
from tests.simulation.runs import Played, Workers, play

SCHEDULES, TOGETHER = 2000, 500
MISHAPS = {
    "Crash",
    "NetworkFault",
    "Suspend",
    "Jump",
    "CutOff",
    "RevokeKey",
    "DatabaseAway",
    "Outage",
    "WritesRefused",
    "Interrupts",
    "Interrupted",
    "CommitBreaksOff",
    "Freeze",
}
GUARDS = {
    "ApprovalRequiredError",
    "FrozenError",
    "PolicyViolationError",
    "approval pending",
    "approval approved",
    "approval rejected",
    "approval used",
    "restore settled",
}


@pytest.mark.parametrize("first", range(0, SCHEDULES, TOGETHER))
def test_no_crash_and_no_fault_breaks_a_promise(pool: Workers, first: int) -> None:
    total = Played()
    for played in pool.play(range(first, first + TOGETHER)):
        total.add(played)
    assert not total.violations, report(total)
    assert total.schedules == TOGETHER
    assert set(total.struck) == MISHAPS
    assert set(total.met) >= GUARDS


def report(total: Played) -> str:
    """Say what was violated, and how to see it happen again."""
    lines = [
        f"seed {seed}: {violation}"
        for seed, found in sorted(total.violations.items())
        for violation in found
    ]
    seed = min(total.violations)
    return "\n".join([*lines, f"python tests/simulation/simulate.py --seed {seed} --verbose"])


def test_a_seed_always_gives_the_same_story(bed: Bed) -> None:
    for seed in range(3):
        stories: list[list[str]] = [[], []]
        for story in stories:
            play(bed, seed, story.append)
        assert stories[0] == stories[1]
        assert len(stories[0]) > 10
