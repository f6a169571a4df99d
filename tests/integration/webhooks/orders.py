"""Delivers one history in many orders, and compares where each of them ends.

By hand: `python -m tests.integration.webhooks.orders --orders 1000 --seed 7 --history bank_pays`.
"""

from __future__ import annotations

import argparse
import copy
import multiprocessing
import os
import random
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select

from stripe_billing_router.store.schema import inbox, ledger, operations
from tests.integration.webhooks.histories import HISTORIES, LONG, History
from tests.integration.webhooks.webhooks_bench import WebhooksBench, webhooks_bench


@dataclass(frozen=True)
class End:
    """Where deliveries have led: states by operation, minor units by object, open events."""

    states: dict[str, str]
    sums: dict[tuple[str, str, str | None], int]
    unfinished: list[tuple[str, str | None]]


class Replay:
    """One history that has happened; its world and its ledger are put back before each order."""

    def __init__(self, folder: Path, history: History) -> None:
        ledger_file = folder / "ledger.db"
        ledger_file.touch()
        self.bench: WebhooksBench = webhooks_bench(folder, f"sqlite:///{ledger_file}")
        history(self.bench)
        world = self.bench.world
        new = [e for e in world.objects("event") if e["id"] not in self.bench.delivered]
        self.events: list[str] = [event["id"] for event in new]
        self._file = sqlite3.connect(ledger_file)
        self._kept = sqlite3.connect(":memory:")
        self._file.backup(self._kept)
        self._now_ms = world.clock.now_ms()
        self._objects = copy.deepcopy(world.state()._objects)

    def in_order(self) -> End:
        """Deliver everything once, in the order in which it happened."""
        self.put_back()
        for event_id in self.events:
            self.bench.redeliver(event_id)
            self.bench.work()
        return self.end()

    def in_some_order(self, chance: random.Random) -> End:
        """Deliver in any order: some twice, some only at the second attempt, worked on now and
        then."""
        self.put_back()
        order = chance.sample(self.events, len(self.events))
        order += [event_id for event_id in order if chance.random() < 0.2]
        dropped = [number for number in range(len(order)) if chance.random() < 0.15]
        again = [order[number] for number in dropped]
        kept = [event for number, event in enumerate(order) if number not in dropped]
        eager = chance.choice((0.0, 0.3, 1.0))
        for event_id in (*kept, *chance.sample(again, len(again))):
            self.bench.redeliver(event_id)
            if chance.random() < eager:
                self.bench.webhooks.process_pending(chance.randint(1, 3))
        return self.end()

    def close(self) -> None:
        self._file.close()
        self._kept.close()
        self.bench.close()

    def put_back(self) -> None:
        """Let the history have just happened, and nothing of it be delivered."""
        self._kept.backup(self._file)
        world = self.bench.world
        world.clock.set(self._now_ms)
        if any(request.method != "GET" for request in world.requests):
            world.state()._objects = copy.deepcopy(self._objects)
        world.requests.clear()

    def end(self) -> End:
        """Work until nothing is left to do, and return where that has led."""
        self.bench.drain()
        found: Counter[tuple[str, str, str | None]] = Counter()
        with self.bench.router.store._sql._database().read() as connection:
            rows = connection.execute(select(operations.c.operation_id, operations.c.state))
            states = {row.operation_id: row.state for row in rows}
            for row in connection.execute(select(ledger)):
                found[(row.action_type, row.id, row.bot_id)] += row.amount_minor or 0
            done = ("processed", "superseded")
            query = select(inbox.c.type, inbox.c.error).where(inbox.c.state.not_in(done))
            unfinished = [(row.type, row.error) for row in connection.execute(query)]
        return End(states, dict(found), unfinished)


def differences(history: History, orders: int, seed: int) -> list[str]:
    """Return what ends otherwise than in-order delivery does."""
    found = []
    with tempfile.TemporaryDirectory(prefix="orders-", dir=_memory()) as folder:
        replay = Replay(Path(folder), history)
        expected = replay.in_order()
        if expected.unfinished:
            found.append(f"{history.__name__} in order: {expected.unfinished}")
        for number in range(orders):
            name = f"{history.__name__}/{seed}/{number}"
            end = replay.in_some_order(random.Random(name))
            if end != expected:
                found.append(f"{name}: {end}, but in order {expected}")
        replay.close()
    return found


def spread(orders: int) -> list[int]:
    """Return how many orders each history gets: long ones get fewer, for they take longer."""
    weights = [1 if history in LONG else 4 for history in HISTORIES]
    shares = [orders * weight // sum(weights) for weight in weights]
    shares[0] += orders - sum(shares)
    return shares


def _memory() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108


def _job(job: tuple[int, int, int]) -> list[str]:
    number, orders, seed = job
    return differences(HISTORIES[number], orders, seed)


def main() -> int:
    parser = argparse.ArgumentParser(description="Deliver webhooks in random orders.")
    parser.add_argument("--orders", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--history", choices=[h.__name__ for h in HISTORIES])
    options = parser.parse_args()
    began, jobs = time.monotonic(), _jobs(options)
    found: list[str] = []
    with multiprocessing.Pool(os.cpu_count()) as pool:
        for some in pool.imap_unordered(_job, jobs):
            found += some
    seconds = time.monotonic() - began
    print(f"{sum(job[1] for job in jobs):,} orders in {seconds:.0f} s, {len(found)} differ")
    print("\n".join(found[:10]))
    return 1 if found else 0


def _jobs(options: Any) -> list[tuple[int, int, int]]:
    if options.history:
        names = [history.__name__ for history in HISTORIES]
        return [(names.index(options.history), options.orders, options.seed)]
    jobs = []
    for number, orders in enumerate(spread(options.orders)):
        parts = range(0, orders, 200)
        jobs += [(number, min(200, orders - at), options.seed + at) for at in parts]
    return jobs


if __name__ == "__main__":
    home = tempfile.mkdtemp()
    os.environ["HOME"] = os.environ["XDG_CONFIG_HOME"] = home
    sys.exit(main())
