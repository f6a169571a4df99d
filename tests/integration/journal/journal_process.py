"""One process that writes to a journal, or drains it, until it is done or killed.

`write URL JOURNAL NAME` writes operations (three commits each) as if the database were away, and
prints the id of each once its last commit has returned. `drain URL JOURNAL` drains again and again.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import count
from pathlib import Path

from stripe_billing_router.engine import SystemClock
from stripe_billing_router.models import (
    AppendEntry,
    CloseOperation,
    OpenOperation,
    RecordOutputs,
    StepOutput,
    Write,
)
from stripe_billing_router.store import FallbackStore, SqlStore
from stripe_billing_router.store.database import Away
from tests.integration.store.test_store_contract import BASE, draft, operation, outcome


class Unreached(SqlStore):
    """A database that answers once, and then is away."""

    away = False

    def now_ms(self) -> int:
        if self.away:
            raise Away("away")
        return super().now_ms()

    def commit(self, *writes: Write) -> None:
        if self.away:
            raise Away("away")
        super().commit(*writes)


def store_on(database: SqlStore, journal: str) -> FallbackStore:
    return FallbackStore(
        database,
        Path(journal),
        SystemClock(),
        is_alive=lambda owner, operation_id: True,
        tell=lambda event: None,
    )


def write(url: str, journal: str, name: str) -> None:
    database = Unreached(url, SystemClock(), account_id="acct_1", api_base=BASE)
    store = store_on(database, journal)
    store.commit()
    database.away = True
    print("ready", flush=True)
    for number in count():
        operation_id = f"op_{name}_{number}"
        made = operation(operation_id, None, input_hash=operation_id)
        store.commit(OpenOperation(made, "t", 60_000, "owner"))
        outputs = (StepOutput("payment_intent", 200, {"id": operation_id}),)
        store.commit(RecordOutputs(operation_id, "t", outputs))
        done = outcome()
        store.commit(
            CloseOperation(operation_id, "t", done.state, done, outputs),
            AppendEntry(replace(draft(f"finance:{name}", operation_id), operation_id=operation_id)),
        )
        print(operation_id, flush=True)


def drain(url: str, journal: str) -> None:
    store = store_on(SqlStore(url, SystemClock(), account_id="acct_1", api_base=BASE), journal)
    print("ready", flush=True)
    while True:
        print(store.drain().drained, flush=True)


if __name__ == "__main__":
    what, *arguments = sys.argv[1:]
    if what == "write":
        write(*arguments)
    else:
        drain(*arguments)
