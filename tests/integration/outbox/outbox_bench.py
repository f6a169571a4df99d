"""Stores that tell of what they are given, and sinks that remember what they were told."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Sequence

from stripe_billing_router.engine.clock import SystemClock
from stripe_billing_router.models import AppendEntry, BillingEvent, EntryDraft
from stripe_billing_router.ports import Clock
from stripe_billing_router.store import SqlStore, migrate
from stripe_billing_router.store.database import Database

ACCOUNT = "acct_1"
BASE = "http://127.0.0.1/sandbox"


def upgraded(url: str) -> str:
    """The same URL, of a database that has every table."""
    database = Database(url, SystemClock())
    migrate.upgrade(database)
    database.close()
    return url


def store_at(url: str, clock: Clock | None = None) -> SqlStore:
    return SqlStore(url, clock or SystemClock(), account_id=ACCOUNT, api_base=BASE)


def entry(bot: str | None, number: int = 1, **changes: object) -> AppendEntry:
    """One entry of a charge of `number` cents; the operation is named after both."""
    fields: dict[str, object] = {
        "id": f"pi_{number}",
        "action_type": "charge",
        "amount_minor": number,
        "currency": "usd",
        "timestamp_ms": 1000 + number,
        "user_email": "someone@example.com",
        "bot_id": bot,
        "destination_account": ACCOUNT,
        "raw_event": {"id": f"pi_{number}", "receipt_email": "someone@example.com"},
        "error": False,
        "operation_id": f"op_{bot}_{number}",
        "status": "succeeded",
        **changes,
    }
    return AppendEntry(EntryDraft(**fields))  # type: ignore[arg-type]


def written(store: SqlStore, bots: Iterable[str], each: int) -> None:
    """Let every bot have `each` entries."""
    for number in range(1, each + 1):
        for bot in bots:
            store.commit(entry(bot, number))


class ListSink:
    """Remembers what it was sent, and fails as often as it is told to."""

    def __init__(self, name: str = "list", failures: int = 0) -> None:
        self.name = name
        self.failures = failures
        self.calls = 0
        self.got: list[BillingEvent] = []
        self._lock = threading.Lock()

    def send(self, events: Sequence[BillingEvent]) -> None:
        with self._lock:
            self.calls += 1
            if self.failures:
                self.failures -= 1
                raise ConnectionError("redis://user:password@host is away")
            self.got += events

    def by_bot(self) -> dict[str | None, list[int]]:
        """The sequences that each bot's events had, as they came."""
        found = defaultdict[str | None, list[int]](list)
        for event in self.got:
            found[event.bot_id].append(event.sequence)
        return dict(found)

    def first_by_bot(self) -> dict[str | None, list[int]]:
        """The same without what came again."""
        return {bot: list(dict.fromkeys(sequences)) for bot, sequences in self.by_bot().items()}
