"""Runs in children of this process, killed at random instants until one gets through.

`python -m tests.integration.watchdog_run.killed_runs FOLDER SEED KILLS` begins one project after
another until so many runs have died; it prints how many projects there are, each run to its end.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

from stripe_billing_router.json_lines import JsonLines
from stripe_billing_router.stripe_watchdog.findings import Finding
from stripe_billing_router.stripe_watchdog.options import Options
from tests.integration.watchdog_run.watch_bench import Bench, World, charge

FINDINGS = [charge(number) for number in range(40)]


class OnDisk:
    """Anomalies in a file, as a database would keep them."""

    def __init__(self, path: Path) -> None:
        self._file = JsonLines(path)

    def record(self, finding: Finding) -> None:
        self._file.append({"fingerprint": finding.fingerprint})

    def holds(self, finding: Finding, since_ms: int) -> bool:
        self._file.repair()
        held = [record["fingerprint"] for _, record in self._file.records() if record]
        return finding.fingerprint in held


def started(folder: Path) -> int:
    """Begin a run in a child; returns its process id."""
    pid = os.fork()
    if pid == 0:
        bench = Bench(folder, World(FINDINGS))
        bench.anomalies = OnDisk(folder / "anomalies.jsonl")  # type: ignore[assignment]
        bench.run(Options(export_training=True))
        os._exit(0)
    return pid


def gets_through(folder: Path, killed_after: float) -> bool:
    """Whether a run ended before it was killed."""
    pid = started(folder)
    time.sleep(killed_after)
    os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    assert os.WIFSIGNALED(status) or status == 0, status
    return status == 0


def main(folder: Path, seed: int, kills: int) -> None:
    chance = random.Random(seed)
    longest, died, projects = 1.0, 0, 0
    while died < kills:
        projects += 1
        project = folder / f"project-{projects}"
        project.mkdir()
        # How long a run takes is found by trying, because it changes with the load of the machine.
        while not gets_through(project, chance.uniform(0, longest)):
            died += 1
            longest *= 1.25
        longest /= 2
    print(projects)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
