"""What a charge is compared with: the SDK alone, and the database's driver alone."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import stripe

from benchmarks.stripe_server import CARD, CUSTOMER
from stripe_billing_router.providers.stripe.gateway import API_VERSION
from stripe_billing_router.sandbox import SANDBOX_SECRET_KEY

Row = dict[str, Any]


def charger(api_base: str) -> Callable[[], object]:
    """Return the same payment, made with the SDK and its default HTTP client."""
    client = stripe.StripeClient(
        SANDBOX_SECRET_KEY, base_addresses={"api": api_base}, stripe_version=API_VERSION
    )

    def charge() -> object:
        name = f"op_{uuid.uuid4().hex}"
        return client.v1.payment_intents.create(
            {
                "amount": 1999,
                "currency": "usd",
                "customer": CUSTOMER,
                "payment_method": CARD,
                "confirm": True,
                "off_session": True,
                "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
                "metadata": {"operation_id": name, "bot_id": "bench:bot"},
            },
            {"idempotency_key": f"{name}-payment_intent"},
        )

    return charge


class Rows:
    """The newest row of each table of a ledger, to be inserted again under other names.

    `database` is a connection of `sqlite3` or `psycopg`.
    """

    def __init__(self, database: Any) -> None:
        self._mark = "?" if isinstance(database, sqlite3.Connection) else "%s"
        self._rows = {table: _newest(database, table, key) for table, key in _NEWEST.items()}

    def __getitem__(self, table: str) -> Row:
        return self._rows[table]

    def insert(self, database: Any, table: str, **changes: Any) -> None:
        """Insert the newest row of a table, with changes."""
        row = {**self._rows[table], **changes}
        marks = ", ".join([self._mark] * len(row))
        insert = f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})"  # noqa: S608
        database.execute(insert, tuple(row.values()))

    def append(self, database: Any, bot: str, place: int) -> None:
        """Write what a ledger entry writes: itself, its event, and where the stream ends."""
        name = f"op_{uuid.uuid4().hex}"
        places = {"sequence": place, "stream_sequence": place}
        whose = {"stream": bot, "operation_id": name}
        self.insert(database, "stripe_ledger", id=name, bot_id=bot, **places, **whose)
        self.insert(database, "stripe_outbox", sequence=place, stripe_id=name, **whose)
        ends = ", ".join(f"{column} = {self._mark}" for column in (*places, "event_sequence"))
        head = f"UPDATE stripe_ledger_heads SET {ends} WHERE stream = {self._mark}"  # noqa: S608
        database.execute(head, (place, place, place, bot))


class TwoCommits:
    """The two commits of a charge, with `sqlite3` alone, into a copy of the router's ledger."""

    def __init__(self, model: Path, copy: Path) -> None:
        with closing(sqlite3.connect(model)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
        self._database = sqlite3.connect(copy, isolation_level=None)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000"):
            self._database.execute(f"PRAGMA {pragma}")
        self._rows = Rows(self._database)
        self._place = int(self._rows["stripe_ledger"]["sequence"])

    def around(self, call: Callable[[], object]) -> Callable[[], object]:
        """Return `call` between the two commits."""

        def both() -> object:
            name = f"op_{uuid.uuid4().hex}"
            self._open(name)
            done = call()
            self._close(name)
            return done

        return both

    def close(self) -> None:
        self._database.close()

    def _open(self, name: str) -> None:
        fresh: Row = {"operation_id": name, "state": "pending", "outputs": "[]", "outcome": None}
        self._database.execute("BEGIN IMMEDIATE")
        self._rows.insert(self._database, "stripe_operations", **fresh)
        self._database.execute("COMMIT")

    def _close(self, name: str) -> None:
        row, entry = self._rows["stripe_operations"], self._rows["stripe_ledger"]
        self._place += 1
        self._database.execute("BEGIN IMMEDIATE")
        self._database.execute(
            "UPDATE stripe_operations SET state = ?, outputs = ?, outcome = ?, lease_token = NULL "
            "WHERE operation_id = ?",
            (row["state"], row["outputs"], row["outcome"], name),
        )
        self._rows.append(self._database, entry["bot_id"], self._place)
        self._database.execute("COMMIT")


_NEWEST = {
    "stripe_operations": "created_ms",
    "stripe_ledger": "sequence",
    "stripe_outbox": "sequence",
}


def _newest(database: Any, table: str, key: str) -> Row:
    query = f"SELECT * FROM {table} ORDER BY {key} DESC LIMIT 1"  # noqa: S608
    cursor = database.execute(query)
    found = cursor.fetchone()
    return (
        {} if found is None else dict(zip((c[0] for c in cursor.description), found, strict=True))
    )
