"""What telling events costs the commit that they tell about, as a ratio.

    python -m benchmarks.outbox_cost [URL …]      # a SQLite file is tried as well

The two halves of an operation are committed with and without the insert into the outbox, by turns
in one process, so that what else the machine does meets both alike.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from benchmarks.harness import Figure, ratio
from stripe_billing_router.engine.clock import SystemClock
from stripe_billing_router.models import (
    AppendEntry,
    BotId,
    CloseOperation,
    EntryDraft,
    OpenOperation,
    Operation,
    OperationState,
    Outcome,
    Step,
)
from stripe_billing_router.store import SqlStore, ledger, outbox
from stripe_billing_router.store.prepared import Prepared, together

BOT = BotId("stripe", "finance", "bot")
BODY = {"id": "pi_1", "object": "payment_intent", "amount": 1999, "description": "x" * 2000}
WARM_UP = 50


def figures(operations: int = 400) -> Iterator[Figure]:
    """Yield what telling events costs on SQLite."""
    with tempfile.TemporaryDirectory() as folder:
        with_, without = measured(f"sqlite:///{Path(folder)}/ledger.db", operations)
    took = {"with events": with_, "without": without}
    yield ratio("two commits with their event, SQLite", took, "with events", "without")


def main() -> None:
    """Print one line for each database."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("urls", nargs="*", metavar="URL")
    parser.add_argument("--operations", type=int, default=2000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for url in [f"sqlite:///{Path(folder)}/ledger.db", *asked.urls]:
            with_, without = measured(url, asked.operations)
            print(
                f"{url.partition(':')[0]}: {with_ * 1000:.3f} ms with events, "
                f"{without * 1000:.3f} ms without: ratio {with_ / without:.3f}"
            )


def measured(url: str, operations: int) -> tuple[float, float]:
    """Return the median seconds of an operation's two commits, with events and without."""
    store = SqlStore(url, SystemClock(), account_id="acct_1", api_base="http://127.0.0.1")
    store.upgrade()
    times: dict[bool, list[float]] = {True: [], False: []}
    for number in range(operations + WARM_UP):
        told = number % 2 == 0
        with telling(told):
            began = time.perf_counter()
            one_operation(store, f"op_{time.time_ns()}")
            if number >= WARM_UP:
                times[told].append(time.perf_counter() - began)
    store.close()
    return statistics.median(times[True]), statistics.median(times[False])


def _without_event(
    connection: Connection, at_once: bool, *calls: tuple[Prepared, Mapping[str, Any]]
) -> None:
    silent = (call for call in calls if call[0] is not outbox._INSERT)
    together(connection, at_once, *silent)


@contextmanager
def telling(told: bool) -> Iterator[None]:
    """Let the store write events, or not."""
    module: Any = ledger
    original = module.together
    if not told:
        module.together = _without_event
    try:
        yield
    finally:
        module.together = original


def one_operation(store: SqlStore, operation_id: str) -> None:
    """Write what a charge writes: the intent, then the outcome with its ledger entry."""
    store.commit(OpenOperation(_operation(operation_id), "token", 60_000, "owner"))
    outcome = Outcome(OperationState.SUCCEEDED, "pi_1", "succeeded", 1999, "usd", True, BODY)
    store.commit(
        CloseOperation(operation_id, "token", OperationState.SUCCEEDED, outcome),
        AppendEntry(_entry(operation_id)),
    )


def _operation(operation_id: str) -> Operation:
    fields: dict[str, Any] = {
        "region": "default",
        "verb": "charge",
        "idempotency_key": operation_id,
        "input_hash": "i" * 64,
        "effect_hash": "e" * 64,
        "state": OperationState.PENDING,
        "steps": (Step("payment_intent", "post", "/v1/payment_intents", {"amount": 1999}, "x"),),
        "api_version": "2026",
        "account_id": "acct_1",
        "key_fingerprint": "sha256:0",
        "amount_minor": 1999,
        "currency": "usd",
        "customer_id": "cus_1",
        "user_email": None,
        "arguments": {"amount": "19.99"},
    }
    return Operation(operation_id=operation_id, bot=BOT, **fields)


def _entry(operation_id: str) -> EntryDraft:
    return EntryDraft(
        "pi_1",
        "charge",
        1999,
        "usd",
        time.time_ns() // 1_000_000,
        None,
        str(BOT),
        "acct_1",
        BODY,
        False,
        operation_id,
        "succeeded",
    )


if __name__ == "__main__":
    main()
