"""Bots are killed at any instant; nothing is paid twice, late or unrecorded, and nothing is lost.

More of them: `make kill`, or `KILLS=500 python -m pytest -s tests/integration/kills`.
"""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.integration.kills.kill_bench import Bot, KillBench, kill_bench, until

KILLS = int(os.environ.get("KILLS", "50"))
STOPS = max(4, KILLS // 25)
AT_ONCE = 2


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(f"{request.param}_url"))


def test_nothing_goes_wrong_when_bots_are_killed(tmp_path: Path, url: str) -> None:
    chance = random.Random(KILLS)
    with kill_bench(tmp_path, url) as bench:
        living = [bench.start(seed) for seed in range(AT_ONCE)]
        for number in range(AT_ONCE, AT_ONCE + KILLS // 2):
            bench.trouble(chance)
            chosen = living.pop(chance.randrange(AT_ONCE))
            _let_live(chosen, chance)
            chosen.kill()
            living.append(bench.start(number))
        for bot in living:
            bot.kill()
        bench.settle()
        assert bench.violations() == []
        _show(bench, f"{KILLS // 2} bots killed")


def test_nothing_goes_wrong_when_bots_stand_still_past_their_leases(
    tmp_path: Path, url: str
) -> None:
    chance = random.Random(STOPS)
    with kill_bench(tmp_path, url) as bench:
        for number in range(STOPS // 2):
            _stand_still(bench, number, chance)
        bench.settle()
        assert bench.violations() == []
        _show(bench, f"{STOPS // 2} times {AT_ONCE} bots stopped")


def _stand_still(bench: KillBench, number: int, chance: random.Random) -> None:
    """Two bots stop; what they were at is settled without them; then they go on for a while."""
    bots = [bench.start(AT_ONCE * number + n) for n in range(AT_ONCE)]
    until(lambda: all(bot.lines() for bot in bots))
    stop(bench, bots, chance)
    bench.settle()
    told = {bot.pid: len(bot.lines()) for bot in bots}
    for bot in bots:
        bot.send(signal.SIGCONT)
    until(lambda: all(len(bot.lines()) > told[bot.pid] for bot in bots))
    for bot in bots:
        bot.kill()


def stop(bench: KillBench, bots: list[Bot], chance: random.Random) -> None:
    """Stop bots anywhere but within a transaction: there a database waits for them."""
    while True:
        _let_live(bots[0], chance)
        for bot in bots:
            bot.send(signal.SIGSTOP)
        if bench.unlocked():
            return
        for bot in bots:
            bot.send(signal.SIGCONT)


def _let_live(bot: Bot, chance: random.Random) -> None:
    """A while that ends anywhere: while it starts or recovers, or after it has asked a little."""
    if chance.random() < 0.8:
        enough = len(bot.lines()) + chance.randrange(1, 12)
        until(lambda: len(bot.lines()) >= enough)
    time.sleep(chance.random() * 0.02)


def _show(bench: KillBench, what: str) -> None:
    rows = bench.rows()
    states = sorted({row["state"] for row in rows})
    told = ", ".join(f"{sum(row['state'] == s for row in rows)} {s}" for s in states)
    print(f"\n{what}: {len(rows)} operations ({told}), no violation")
