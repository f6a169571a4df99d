"""Sixteen workers on PostgreSQL; and workers that are killed."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

from tests.integration.webhooks.crowd import BOTS, crowd

EVENTS = int(os.environ.get("WEBHOOK_EVENTS", "600"))
KILLS = 50


def test_sixteen_workers_apply_every_event_once(tmp_path: Path, postgres_url: str) -> None:
    with crowd(tmp_path, postgres_url) as many:
        many.deliver(EVENTS)
        workers = [many.start() for _ in range(16)]
        for worker in workers:
            worker.join()
        assert many.states() == {"processed": EVENTS}
        assert many.entered() == {f"in_{number}": 1 for number in range(EVENTS)}
        assert sorted(many.handled()) == sorted(f"evt_{number}" for number in range(EVENTS))
        assert many.router.ledger.verify().ok


def test_workers_that_are_killed_lose_nothing_and_apply_nothing_twice(
    tmp_path: Path, postgres_url: str
) -> None:
    chance = random.Random(7)
    with crowd(tmp_path, postgres_url, lease_seconds=0.3) as many:
        workers = [many.start(forever=True) for _ in range(4)]
        delivered = 0
        for _ in range(KILLS):
            many.deliver(8)
            delivered += 8
            heard = many.heard()
            while many.heard() == heard:
                assert all(worker.is_alive() for worker in workers)
                time.sleep(0.002)
            time.sleep(chance.uniform(0, 0.02))
            victim = workers.pop(chance.randrange(len(workers)))
            victim.kill()
            victim.join()
            workers.append(many.start(forever=True))
        while many.states() != {"processed": delivered}:
            time.sleep(0.05)
        for worker in workers:
            worker.kill()
            worker.join()
        assert many.entered() == {f"in_{number}": 1 for number in range(delivered)}
        assert set(many.handled()) == {f"evt_{number}" for number in range(delivered)}
        assert many.router.ledger.verify().ok
        entries = list(many.router.ledger.entries())
        assert sum(entry.amount_minor or 0 for entry in entries) == 500 * (delivered + BOTS)
