"""What is planted is found, under its own name, and nothing else is."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from stripe_billing_router.stripe_watchdog.checks import CHECKS
from tests.integration.watchdog.conftest import NewBench
from tests.integration.watchdog.plants import PLANTS, Expected, stale_operation
from tests.integration.watchdog.runs import SEEDS
from tests.integration.watchdog.traffic import drive
from tests.integration.watchdog.watchdog_bench import DAY, Bench


@pytest.mark.parametrize("seed", range(SEEDS))
def test_what_is_planted_is_found_and_nothing_else(new: NewBench, seed: int) -> None:
    bench = new(seed)
    expected = _planted(bench)
    found = Counter((finding.check, finding.subject) for finding in bench.found())
    assert found == Counter(expected)


def test_every_check_has_a_plant() -> None:
    assert {*PLANTS, stale_operation.__name__} == {check.id for check in CHECKS}


@pytest.mark.parametrize("name", PLANTS)
def test_each_alone_is_one_finding(bench: Bench, name: str) -> None:
    expected = PLANTS[name](bench)
    bench.world.advance(4 * DAY)
    assert [(finding.check, finding.subject) for finding in bench.found()] == [expected]


def test_an_operation_left_in_doubt_is_one_finding(bench: Bench) -> None:
    expected = stale_operation(bench)
    assert [(finding.check, finding.subject) for finding in bench.found()] == [expected]


def _planted(bench: Bench) -> set[Expected]:
    """Mix half of the plants, some of them twice, into traffic; time goes by."""
    dice = random.Random(bench.random.random())
    chosen = dice.sample(sorted(PLANTS), k=len(PLANTS) // 2)
    chosen += dice.sample(chosen, k=2)
    expected = set()
    for name in chosen:
        drive(bench, dice.randrange(3))
        expected.add(PLANTS[name](bench))
    bench.world.advance(4 * DAY)
    bench.router.recover_operations()
    if dice.random() < 0.5:
        expected.add(stale_operation(bench))
    return expected
