"""With many writers on SQLite, whoever comes has their turn: nobody starves.

Longer than here: `FAIRNESS_SECONDS=10 python -m pytest -s tests/integration/ledger -k starves`.
"""

from __future__ import annotations

import os
import threading
import time
from statistics import median

from stripe_billing_router.engine import SystemClock
from stripe_billing_router.models import AppendEntry, EntryDraft
from stripe_billing_router.store import SqlStore

SECONDS = float(os.environ.get("FAIRNESS_SECONDS", "3"))
THREADS = 32
TRIES = 3
"""A machine that is busy with something else for a moment is not what this is about."""


def test_of_32_threads_that_append_none_starves(sqlite_url: str) -> None:
    store = SqlStore(sqlite_url, SystemClock(), account_id="acct_1", api_base="http://127.0.0.1")
    store.operation("none")
    verdicts = []
    for _ in range(TRIES):
        verdicts.append(_unfair(_waits(store)))
        if verdicts[-1] is None:
            break
    assert verdicts[-1] is None, verdicts
    assert store.ledger.verify().ok
    store.close()


def _waits(store: SqlStore) -> list[float]:
    """Return how long each append took, in seconds."""
    waits: list[list[float]] = [[] for _ in range(THREADS)]
    start = threading.Barrier(THREADS)

    def append(number: int) -> None:
        start.wait()
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            began = time.perf_counter()
            store.commit(AppendEntry(_draft(f"a:bot{number % 8}")))
            waits[number].append(time.perf_counter() - began)

    threads = [threading.Thread(target=append, args=(n,)) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(waits)
    return sorted(wait for mine in waits for wait in mine)


def _unfair(waits: list[float]) -> str | None:
    middle, late = median(waits), waits[int(len(waits) * 0.999)]
    told = (
        f"{len(waits)} appends: median {middle * 1000:.1f} ms, p99.9 {late * 1000:.1f} ms "
        f"({late / middle:.1f} times), longest {waits[-1] * 1000:.1f} ms"
    )
    print(told)
    return None if late <= 10 * middle and waits[-1] < 1 else told


def _draft(bot: str) -> EntryDraft:
    return EntryDraft(
        "pi_1", "charge", 500, "usd", 1, None, bot, "acct_1", {"a": 1}, False, "op_1", "succeeded"
    )
