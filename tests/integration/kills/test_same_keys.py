"""Many processes with many threads ask for the same keys at once: each is paid once."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import pytest

from tests.integration.kills.kill_bench import KillBench, kill_bench, until

PROCESSES, THREADS, KEYS = 8, 8, 1000
PATIENT = "{http_timeout: 30, in_progress_wait: 5}"


@pytest.mark.usefixtures("crowd")
def test_1000_keys_asked_for_by_64_threads_in_8_processes_are_1000_payments(
    tmp_path: Path, postgres_url: str
) -> None:
    with kill_bench(tmp_path, postgres_url, PATIENT) as bench:
        before = len(bench.world.effects())
        bots = [bench.start_on_keys(THREADS, KEYS) for _ in range(PROCESSES)]
        until(lambda: not any(bot.alive() for bot in bots), seconds=240)
        assert len(bench.world.effects()) - before == KEYS
        ids, errors = _told(bench)
        assert sum(errors.values()) + sum(map(len, ids.values())) == PROCESSES * KEYS
        assert set(errors) <= {"OperationInProgressError"}
        assert {len(set(found)) for found in ids.values()} == {1}
        assert len(ids) == KEYS
        bench.settle()
        assert bench.violations() == []


def _told(bench: KillBench) -> tuple[dict[str, list[str]], Counter[str]]:
    """Return the ids that were told, by key, and the errors by their names."""
    ids: dict[str, list[str]] = defaultdict(list)
    errors: Counter[str] = Counter()
    for bot in bench.bots:
        for line in bot.lines():
            if "id" in line:
                ids[line["key"]].append(line["id"])
            elif "error" in line:
                errors[line["error"]] += 1
    return ids, errors
