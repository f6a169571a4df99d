"""Real kills: a run that SIGKILL ends at any instant is made good by the one after it."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

from stripe_billing_router.json_lines import JsonLines
from stripe_billing_router.training import load
from tests.integration.watchdog_run.killed_runs import FINDINGS
from tests.integration.watchdog_run.watch_bench import Bench

KILLS = int(os.environ.get("WATCHDOG_KILLS", "12"))


def test_runs_that_are_killed_tell_everything_once(tmp_path: Path) -> None:
    seed = int(os.environ.get("SEED", random.randrange(10**6)))
    module = "tests.integration.watchdog_run.killed_runs"
    done = subprocess.run(
        [sys.executable, "-m", module, str(tmp_path), str(seed), str(KILLS)],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    projects = [tmp_path / f"project-{number + 1}" for number in range(int(done.stdout))]
    assert projects
    for home in projects:
        assert_told_once(home, f"SEED={seed} {home.name}")


def assert_told_once(home: Path, run: str) -> None:
    expected = sorted(finding.fingerprint for finding in FINDINGS)
    recorded = [r["fingerprint"] for _, r in JsonLines(home / "anomalies.jsonl").records() if r]
    assert sorted(recorded) == expected, run
    bench = Bench(home)
    assert sorted(bench.all_audited()) == expected, run
    examples = load(home / "training_data/stripe_anomalies.jsonl")
    assert sorted(str(e.anomaly["fingerprint"]) for e in examples) == expected, run
    assert bench.marker is not None
