"""Pumps that are killed: nothing is lost, and no bot's events change their order."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from stripe_billing_router.engine.clock import SystemClock
from stripe_billing_router.events import EventPump
from stripe_billing_router.store import SqlStore
from tests.integration.outbox.outbox_bench import entry, store_at, upgraded
from tests.integration.outbox.pump_process import FileSink

ROOT = Path(__file__).parents[3]
BOTS = [f"bot:n{number}" for number in range(5)]
KILLS = int(os.environ.get("PUMP_KILLS", "3"))
WRITES, LEASE = 12, 0.4


def started(url: str, told: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.outbox.pump_process", url, str(told), str(LEASE)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("kind", ["postgres", "sqlite"])
def test_pumps_that_are_killed_lose_nothing(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    url = upgraded(request.getfixturevalue(f"{kind}_url"))
    store, told, chance = store_at(url), tmp_path / "told", random.Random(7)
    told.touch()
    pumps = [started(url, told) for _ in range(2)]
    for kill in range(KILLS):
        for number in range(WRITES):
            store.commit(*(entry(bot, kill * WRITES + number) for bot in BOTS))
        _wait_for_more(told)
        victim = chance.randrange(2)
        pumps[victim].kill()
        pumps[victim].communicate()
        pumps[victim] = started(url, told)
    for pump in pumps:
        pump.kill()
        pump.communicate()
    _finish(store, told)
    _check(store, told)
    store.close()


def _wait_for_more(told: Path) -> None:
    """Wait until the pumps are at it."""
    size, until = told.stat().st_size, time.monotonic() + 20
    while told.stat().st_size == size:
        assert time.monotonic() < until
        time.sleep(0.005)


def _finish(store: SqlStore, told: Path) -> None:
    """Deliver the rest, once the leases of the dead have run out."""
    pump, until = EventPump(store.outbox, [FileSink(told)], SystemClock()), time.monotonic() + 20
    while len({line["id"] for line in _lines(told)}) < KILLS * WRITES * len(BOTS):
        assert time.monotonic() < until
        pump.run_once()
        time.sleep(0.05)


def _check(store: SqlStore, told: Path) -> None:
    found = defaultdict[str, list[int]](list)
    for line in _lines(told):
        found[line["bot_id"]].append(line["sequence"])
    in_order = list(range(1, KILLS * WRITES + 1))
    assert {bot: list(dict.fromkeys(came)) for bot, came in found.items()} == dict.fromkeys(
        BOTS, in_order
    )
    ids = {event.id for bot in BOTS for event in store.outbox.history(bot, limit=1000)}
    assert {line["id"] for line in _lines(told)} == ids


def _lines(told: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in told.read_text().splitlines()]
