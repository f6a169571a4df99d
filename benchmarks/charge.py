"""A routed charge against the bare SDK, and against the floor: the SDK and two durable commits.

    python -m benchmarks.charge --rounds 400

All sides talk to the same server, a process of its own, by turns.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks import bare
from benchmarks.harness import Figure, Promise, medians, ratio, tell
from benchmarks.stripe_server import ROUTE, serving
from stripe_billing_router import BillingRouter
from stripe_billing_router.sandbox import SANDBOX_SECRET_KEY

BOT = "bench:bot"
SIDES = ("bare", "floor", "routed", "keyed")
LATENCY = 0.3
"""Seconds that a request to Stripe takes, about."""


def figures(rounds: int = 400, slow_rounds: int = 20) -> Iterator[Figure]:
    """Yield what a charge costs, at once and against a Stripe that takes its time."""
    with serving() as api_base, tempfile.TemporaryDirectory() as folder:
        took = _took(api_base, Path(folder), rounds)
        synchronised = medians({"fsync": partial(_fsync, Path(folder, "fsync"))}, 100)["fsync"]
    yield Figure("one fsync of this disk", synchronised * 1e3, "ms")
    for side, promise in (("routed", Promise("at most", 1.4)), ("keyed", None), ("floor", None)):
        yield ratio(f"charge: {side}, SQLite FULL, to the bare SDK", took, side, "bare", promise)
    yield ratio("charge: routed, to the floor", took, "routed", "floor")
    with serving(LATENCY) as api_base, tempfile.TemporaryDirectory() as folder:
        took = _took(api_base, Path(folder), slow_rounds, only=SIDES[:3])
    for side, promise in (("routed", Promise("at most", 1.02)), ("floor", None)):
        subject = f"charge: {side}, Stripe takes 300 ms, to the bare SDK"
        yield ratio(subject, took, side, "bare", promise)


def _fsync(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"x" * 4096)
        file.flush()
        os.fsync(file.fileno())


def _took(
    api_base: str, folder: Path, rounds: int, only: Collection[str] = SIDES
) -> dict[str, float]:
    with a_router(api_base, folder) as router:
        router.charge(BOT, "19.99")
        commits = bare.TwoCommits(folder / "ledger.db", folder / "floor.db")
        charge = bare.charger(api_base)
        sides = {
            "bare": charge,
            "floor": commits.around(bare.charger(api_base)),
            "routed": lambda: router.charge(BOT, "19.99"),
            "keyed": lambda: router.charge(BOT, "19.99", idempotency_key=uuid.uuid4().hex),
        }
        try:
            return medians({side: sides[side] for side in only}, rounds, warm_up=rounds // 10)
        finally:
            commits.close()


@contextmanager
def a_router(api_base: str, folder: Path) -> Iterator[BillingRouter]:
    """Yield a router with one bot, whose ledger is `ledger.db` in a folder."""
    config = folder / "routing.json"
    config.write_text(json.dumps({"stripe": {"default": {"bench": {"bot": ROUTE}}}}))
    (folder / "ledger.db").touch()
    with BillingRouter(
        config,
        secret_key=SANDBOX_SECRET_KEY,
        ledger_url=f"sqlite:///{folder}/ledger.db",
        home=folder,
        api_base=api_base,
        environ={},
        recover_at_start=False,
    ) as router:
        yield router


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=400)
    tell(figures(parser.parse_args().rounds))


if __name__ == "__main__":
    main()
