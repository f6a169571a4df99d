"""How fast webhooks are received and worked off on PostgreSQL.

    python -m benchmarks.webhooks --events 10000 --workers 16

Every event renews a subscription: one ledger entry each, in the chains of 32 bots. The database is
a schema of its own in TEST_POSTGRES_URL, dropped afterwards.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.entries import postgres_schema
from benchmarks.harness import Figure
from tests.integration.webhooks.crowd import Crowd, crowd


def figures(events: int = 500) -> Iterator[Figure]:
    """Yield how many webhooks are received, and worked off, in a second."""
    with tempfile.TemporaryDirectory() as folder, postgres_schema() as url:
        if url is None:
            return
        os.environ["HOME"] = folder
        with crowd(Path(folder), url) as many:
            took = many.deliver(events)
            yield Figure("webhooks received, PostgreSQL", 1 / statistics.median(took), "events/s")
            many.start().join()
            assert many.entered() == {f"in_{number}": 1 for number in range(events)}
            worked = 1 / statistics.median(many.took())
            yield Figure("webhooks worked off by one process", worked, "events/s")


def main() -> int:
    parser = argparse.ArgumentParser(description="Receive webhooks and work them off.")
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=16)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, postgres_schema() as url:
        if url is None:
            print("PostgreSQL does not answer; set TEST_POSTGRES_URL.")
            return 2
        os.environ["HOME"] = folder
        with crowd(Path(folder), url) as many:
            return run(many, options.events, options.workers)


def run(many: Crowd, events: int, workers: int) -> int:
    began = time.perf_counter()
    took = many.deliver(events)
    tell("received by one process", events, time.perf_counter() - began, took)
    began = time.perf_counter()
    running = [many.start() for _ in range(workers)]
    for worker in running:
        worker.join()
    seconds = time.perf_counter() - began
    tell(f"worked off by {workers} processes, their start included", events, seconds, many.took())
    once = many.entered() == {f"in_{number}": 1 for number in range(events)}
    print("every event was applied once" if once else "NOT every event was applied once")
    return 0 if once else 1


def tell(what: str, events: int, seconds: float, took: Sequence[float]) -> None:
    ordered = sorted(took)
    p50, p99 = (1000 * ordered[int(len(ordered) * part)] for part in (0.5, 0.99))
    rate = events / seconds
    print(f"{events:,} {what}: {rate:,.0f}/s, median {p50:.1f} ms, p99 {p99:.1f} ms")


if __name__ == "__main__":
    raise SystemExit(main())
