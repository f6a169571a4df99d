"""A run that dies at any line, with any line of a file half written, is made good by the next one.

`Died` stands for the kill: it is raised at one executed line after the other.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from stripe_billing_router.config import WatchdogConfig
from stripe_billing_router.config.watchdog import LogRotation
from stripe_billing_router.stripe_watchdog.options import Options
from stripe_billing_router.training import load
from tests.integration.watchdog_run.watch_bench import Bench, charge, webhook

# Who dies closes no file.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

ROOMS = ("stripe_watchdog/", "json_lines.py", "training.py")
POINTS = int(os.environ.get("CRASHES", "40"))


class Died(BaseException):
    """The process ends here."""


class Lines:
    """Counts the lines that run in our rooms, and dies at one of them."""

    def __init__(self, last: int | None = None) -> None:
        self.count = 0
        self._last = last

    def trace(self, frame: FrameType, event: str, _: Any) -> Any:
        if not any(room in frame.f_code.co_filename for room in ROOMS):
            return None
        if event == "line":
            self.count += 1
            if self.count == self._last:
                raise Died
        return self.trace

    @contextmanager
    def traced(self) -> Iterator[None]:
        before = sys.gettrace()
        sys.settrace(self.trace)
        try:
            yield
        finally:
            sys.settrace(before)


@pytest.fixture
def slow_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line reaches the file in pieces, so that it can be cut off anywhere."""
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:97]))


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A project with a run behind it."""
    bench = Bench(tmp_path_factory.mktemp("earlier"))
    bench.world.findings = [webhook("we_known"), webhook("we_gone")]
    bench.run(OPTIONS)
    bench.router.close()
    return bench


def prepared(folder: Path, earlier: Bench) -> Bench:
    """A copy of it: one finding is known, one is going to be resolved, three are new."""
    shutil.copytree(earlier.home, folder)
    bench = Bench(folder)
    bench.config = WatchdogConfig(log_rotation=LogRotation(1500))
    bench.anomalies.recorded = list(earlier.anomalies.recorded)
    bench.world.now_ms += 60_000
    bench.world.findings = [webhook("we_known"), charge(1), webhook("we_new"), charge(2)]
    return bench


OPTIONS = Options(export_training=True)


def died_at(bench: Bench, line: int) -> bool:
    lines = Lines(line)
    try:
        with lines.traced():
            bench.run(OPTIONS)
    except Died:
        return True
    return False


def check(bench: Bench) -> None:
    """Every finding is told exactly once, everywhere."""
    fingerprints = sorted(f.fingerprint for f in [*bench.world.findings, webhook("we_gone")])
    assert sorted(f for f, _ in bench.anomalies.recorded) == fingerprints
    assert sorted(bench.all_audited()) == fingerprints
    assert bench.all_audited("resolved") == [webhook("we_gone").fingerprint]
    examples = load(bench.home / "training_data/stripe_anomalies.jsonl")
    assert sorted(str(e.anomaly["fingerprint"]) for e in examples) == fingerprints
    assert bench.marker == bench.world.now_ms
    assert not (bench.home / "finance_logs/stripe_watchdog_run.jsonl").exists()


@pytest.mark.usefixtures("slow_writes")
def test_a_run_killed_at_any_line_is_made_good_by_the_next(tmp_path: Path, earlier: Bench) -> None:
    whole = Lines()
    bench = prepared(tmp_path / "whole", earlier)
    with whole.traced():
        bench.run(OPTIONS)
    check(bench)
    seed = int(os.environ.get("SEED", random.randrange(10**6)))
    points = random.Random(seed).sample(range(1, whole.count), min(POINTS, whole.count - 1))
    for point in points:
        bench = prepared(tmp_path / str(point), earlier)
        assert died_at(bench, point)
        bench.world.now_ms += 60_000
        result = bench.run(OPTIONS)
        assert result.total == 4, f"SEED={seed} point {point}"
        try:
            check(bench)
        except AssertionError as error:
            raise AssertionError(f"SEED={seed} point {point}") from error
        bench.router.close()


@pytest.mark.usefixtures("slow_writes")
def test_a_run_killed_again_and_again_gets_there(tmp_path: Path, earlier: Bench) -> None:
    bench = prepared(tmp_path / "project", earlier)
    line = 1
    while died_at(bench, line):
        bench.world.now_ms += 1000
        line += 101
    bench.world.now_ms += 1000
    bench.run(OPTIONS)
    check(bench)
