"""Nothing is reported of what came through the door."""

from __future__ import annotations

import pytest

from tests.integration.watchdog.conftest import NewBench
from tests.integration.watchdog.runs import SEEDS
from tests.integration.watchdog.traffic import drive, let_a_renewal_fail
from tests.integration.watchdog.watchdog_bench import DAY


@pytest.mark.parametrize("seed", range(SEEDS))
def test_clean_traffic_is_no_finding(new: NewBench, seed: int) -> None:
    bench = new(seed)
    drive(bench, 25)
    if seed % 3 == 0:
        let_a_renewal_fail(bench)
    if seed % 2 == 0:
        bench.world.advance(4 * DAY)
    bench.router.recover_operations()
    assert bench.found() == []
