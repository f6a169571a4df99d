"""A ledger of an earlier version, brought to this one with what is in it."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError

from stripe_billing_router.engine.clock import SystemClock
from stripe_billing_router.errors import LedgerUnavailableError
from stripe_billing_router.hashing import Seals
from stripe_billing_router.models import AppendEntry
from stripe_billing_router.store import Sealing, SqlStore, migrate
from stripe_billing_router.store.database import Database
from tests.integration.store.test_store_contract import BASE, draft, execute

AMOUNTS = [("usd", 1000), ("usd", 999), ("jpy", 12), ("usd", 1), ("kwd", 99_999_995), (None, None)]


def old_ledger(url: str, version: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Make a ledger as a version left it, with entries; return their hashes."""
    with monkeypatch.context() as before:
        before.setattr(migrate, "HEAD", version)
        with closing(SqlStore(url, SystemClock(), account_id="acct_1", api_base=BASE)) as store:
            store.upgrade()
            append_amounts(store)
            return [entry.entry_hash for entry in store.ledger.entries()]


def append_amounts(store: SqlStore) -> None:
    for number, (currency, amount_minor) in enumerate(AMOUNTS):
        entry = draft("finance:bot" if number % 2 else None, f"pi_{number}")
        store.commit(AppendEntry(replace(entry, currency=currency, amount_minor=amount_minor)))


def rows(url: str, query: str) -> list[tuple[object, ...]]:
    with closing(Database(url, SystemClock())) as database, database.read() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


@pytest.mark.parametrize("version", ["0006", "0008", "0009"])
def test_an_old_ledger_keeps_its_entries_hashes_and_triggers(
    database_url: str, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = old_ledger(database_url, version, monkeypatch)
    with closing(
        SqlStore(database_url, SystemClock(), account_id="acct_1", api_base=BASE)
    ) as store:
        store.upgrade()
        heads = store.ledger.heads()
        append_amounts(store)
        found = store.ledger.verify(heads)
        assert found.ok, found.broken
        assert found.entries == 2 * len(AMOUNTS)
        entries = list(store.ledger.entries())
    assert [entry.entry_hash for entry in entries][: len(before)] == before
    assert [str(entry.amount) for entry in entries[:5]] == [
        "10.00",
        "9.99",
        "12",
        "0.01",
        "99999.995",
    ]
    for forgery in (
        "UPDATE stripe_ledger SET amount = 1",
        "DELETE FROM stripe_ledger",
        "UPDATE stripe_ledger_heads SET sequence = 99",
    ):
        with pytest.raises((DBAPIError, LedgerUnavailableError)):
            execute(database_url, forgery)


def test_what_was_reserved_before_keeps_what_it_holds_and_restores_nobody_s_payment(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old_ledger(database_url, "0009", monkeypatch)
    execute(
        database_url,
        "INSERT INTO stripe_reservations (operation_id, counter, window_start_ms, rule, kind, "
        "amount, currency, state, updated_ms) VALUES "
        "('op_old', 'spend/money/day/usd/finance:bot', 0, 'spend', 'restore', 500, 'usd', "
        "'reserved', 1)",
    )
    with closing(
        SqlStore(database_url, SystemClock(), account_id="acct_1", api_base=BASE)
    ) as store:
        store.upgrade()
    query = "SELECT operation_id, kind, amount, state, restores FROM stripe_reservations"
    assert rows(database_url, query) == [("op_old", "restore", 500, "reserved", None)]


@pytest.mark.parametrize("age", ["old", "new"])
def test_amounts_are_numbers_in_plain_sql(
    database_url: str, age: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if age == "old":
        old_ledger(database_url, "0006", monkeypatch)
    with closing(
        SqlStore(database_url, SystemClock(), account_id="acct_1", api_base=BASE)
    ) as store:
        store.upgrade()
        if age == "new":
            append_amounts(store)
    select = "SELECT id FROM stripe_ledger WHERE amount"
    above = rows(database_url, f"{select} > 9 ORDER BY amount")
    assert [row[0] for row in above] == ["pi_1", "pi_0", "pi_2", "pi_4"]
    assert rows(database_url, f"{select} = 9.99") == [("pi_1",)]
    ((total,),) = rows(database_url, "SELECT sum(amount) FROM stripe_ledger")
    assert round(float(str(total)), 3) == 100_031.995


def test_the_copy_of_an_old_ledger_leaves_nothing_behind(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old_ledger(sqlite_url, "0006", monkeypatch)
    with closing(Database(sqlite_url, SystemClock())) as database:
        migrate.upgrade(database)
        found = inspect(database.engine)
        assert not [name for name in found.get_table_names() if "copied" in name]
        indexes = {index["name"] for index in found.get_indexes("stripe_ledger")}
        assert {"stripe_ledger_by_id", "stripe_ledger_by_operation"} <= indexes
        (reference,) = found.get_foreign_keys("stripe_ledger_heads")
        assert reference["referred_table"] == "stripe_ledger"


@pytest.mark.parametrize("version", ["0006", "0008"])
def test_operations_and_events_of_before_have_no_seal(
    database_url: str, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that nothing is sent for them, and nothing believed that Stripe does not show."""
    old_ledger(database_url, version, monkeypatch)
    execute(
        database_url,
        "INSERT INTO stripe_operations (operation_id, bot_id, region, verb, input_hash, "
        "effect_hash, state, steps, arguments, api_version, account_id, key_fingerprint, "
        "generation, skew_ms, created_ms, started_ms, updated_ms, lease_until_ms, outputs) VALUES "
        "('op_old', 'finance:bot', 'default', 'charge', 'i', 'e', 'unknown', '[]', '{}', 'v', "
        "'acct_1', 'f', 0, 0, 1, 1, 1, 0, '[]')",
    )
    execute(
        database_url,
        "INSERT INTO stripe_inbox (event_id, type, created_ms, body, state, attempts, received_ms, "
        "updated_ms) VALUES ('evt_old', 'charge.failed', 1, "
        """'{"data"\\:{"object"\\:{}}}', 'received', 0, 1, 1)""",
    )
    with closing(
        SqlStore(
            database_url,
            SystemClock(),
            account_id="acct_1",
            api_base=BASE,
            sealing=Sealing(lambda: Seals(["a key"])),
        )
    ) as store:
        store.upgrade()
        old = store.operation("op_old")
        assert old is not None
        assert not store.proof(old).intent
        event = store.inbox.event("evt_old")
        assert event is not None
        assert event.seal is None
