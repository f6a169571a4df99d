"""How fast the ledger's chains are verified.

python -m benchmarks.verification --rows 20000
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator

from benchmarks.entries import entry, new_store
from benchmarks.harness import Figure, tell, timed
from stripe_billing_router.models import AppendEntry

TOGETHER = 500
BOTS = 16


def figures(rows: int = 20_000) -> Iterator[Figure]:
    """Yield the rows that `StripeLedger.verify()` checks in a second."""
    with tempfile.TemporaryDirectory() as folder:
        store = new_store(f"sqlite:///{folder}/ledger.db")
        for number in range(rows // TOGETHER):
            bot = f"bench:bot{number % BOTS}"
            store.commit(*(AppendEntry(entry(bot)) for _ in range(TOGETHER)))
        seconds = min(timed(store.ledger.verify) for _ in range(3))
        assert store.ledger.verify().ok
        store.close()
    yield Figure("ledger verify", rows / seconds, "rows/s", f"{rows:,} rows of 1.5 kB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    tell(figures(parser.parse_args().rows))
