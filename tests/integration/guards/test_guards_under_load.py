"""Many bots, one budget, deaths in between: no cent too much, and no cent lost.

All 200 runs: `make budgets`, or `BUDGET_RUNS=200 python -m pytest -s` on this file.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.integration.guards.budget_bench import budget_bench

RUNS = int(os.environ.get("BUDGET_RUNS", "9"))
KINDS = {"postgres": (8, 8), "mysql": (8, 8), "sqlite": (1, 32)}
CALLS = 1


@pytest.mark.usefixtures("crowd")
@pytest.mark.parametrize("kind", KINDS)
def test_a_shared_budget_is_never_exceeded_and_never_lost(
    tmp_path: Path, request: pytest.FixtureRequest, kind: str
) -> None:
    processes, threads = KINDS[kind]
    url = str(request.getfixturevalue(f"{kind}_url"))
    first = list(KINDS).index(kind)
    with budget_bench(tmp_path, url) as bench:
        runs = [
            bench.run(number, processes, threads, CALLS)
            for number in range(first, RUNS, len(KINDS))
        ]
    refused, killed = sum(run.refused for run in runs), sum(run.killed for run in runs)
    print(f"\n{kind}: {len(runs)} runs, {killed} processes killed, {refused} calls refused")
    assert refused
