"""A ledger that has grown answers as one that has not: no statement walks a table that grows."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from stripe_billing_router.engine.clock import SystemClock
from stripe_billing_router.hashing import Seals
from stripe_billing_router.master_account import STRIPE_MASTER_ACCOUNT_ID
from stripe_billing_router.sandbox import SANDBOX_SECRET_KEY
from stripe_billing_router.sandbox.server import real_time_world, serving
from stripe_billing_router.store import Sealing, SqlStore
from stripe_billing_router.store.database import Database
from stripe_billing_router.stripe_watchdog.register import Register
from stripe_billing_router.stripe_watchdog.surveying import Verified
from tests.integration.store.growth_bench import (
    GROWING,
    ROUTING,
    ROWS,
    Plans,
    Statements,
    everything,
    fill,
)

EXPECTED = {
    "FROM stripe_ledger ORDER BY stripe_ledger.stream, stripe_ledger.stream_sequence": (
        "the verification of the whole ledger, asked for or once a day"
    ),
    "FROM stripe_anomalies \nWHERE stripe_anomalies.severity >= ": (
        "a person's list of the grave ones: from the newest on, until the page is full"
    ),
}
"""Statements that may read a whole table, and why."""


def grown(url: str) -> None:
    """Make a ledger with many rows, of which a server knows no statistics yet."""
    with closing(Database(url, SystemClock())) as database, database.write() as connection:
        kind = database.dialect.__class__.__name__
        if kind == "PostgreSQL":
            for name in GROWING:
                connection.execute(text(f"ALTER TABLE {name} SET (autovacuum_enabled = false)"))
            connection.execute(text(f"SELECT setval('stripe_ledger_numbers', {ROWS})"))
        fill(connection)
        if kind == "MySQL":
            numbers = "ALTER TABLE stripe_ledger_numbers AUTO_INCREMENT"
            connection.execute(text(f"{numbers} = {ROWS + 1}"))


def complaints(url: str, heard: Statements) -> dict[str, list[str]]:
    """Return what is wrong with the plans of the statements that were heard."""
    with closing(Database(url, SystemClock())) as database, database.read() as connection:
        plans = Plans(connection)
        found = {shape: plans.complaints(it) for shape, it in heard.seen.items()}
    return {
        shape: why
        for shape, why in found.items()
        if why and not any(known in heard.seen[shape] for known in EXPECTED)
    }


def analyze(url: str) -> None:
    """Let a server count what it has."""
    with closing(Database(url, SystemClock())) as database, database.write() as connection:
        noun = "TABLE " if connection.dialect.name == "mysql" else ""
        for name in GROWING if connection.dialect.name != "sqlite" else ():
            connection.execute(text(f"ANALYZE {noun}{name}"))


def test_no_statement_walks_a_table_that_grows(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config/stripe_billing_router.yaml").write_text(ROUTING)
    world, heard = real_time_world(), Statements()
    with serving(world) as server:
        environ = {
            "STRIPE_ROUTER_HOME": str(tmp_path),
            "STRIPE_LEDGER_URL": database_url,
            "STRIPE_API_BASE": server.api_base,
            "STRIPE_SECRET_KEY": SANDBOX_SECRET_KEY,
        }
        endpoint = world.add_webhook_endpoint()
        environ["STRIPE_WEBHOOK_SECRET"] = world.webhook_secret(endpoint)
        world.add_price("price_monthly", product="prod_1", interval="month")
        world.add_price("price_1", product="prod_1")
        world.add_customer("cus_1", default_payment_method="pm_1")
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        store = SqlStore(
            database_url,
            SystemClock(),
            account_id=STRIPE_MASTER_ACCOUNT_ID,
            api_base=server.api_base,
        )
        store.upgrade()
        grown(database_url)
        mark = Verified(store.ledger.heads(), store.now_ms())
        sealing = Sealing(lambda: Seals([SANDBOX_SECRET_KEY]))
        register = Register(tmp_path, STRIPE_MASTER_ACCOUNT_ID, server.api_base, sealing)
        register.finish(None, {}, mark)
        store.close()
        with heard.collected():
            everything(environ, world, tmp_path)
    assert len(heard.seen) > 60
    since = "stripe_ledger.stream_sequence >= "
    assert any(since in statement for statement in heard.seen)
    if "mysql" not in database_url:  # InnoDB counts by itself, at a moment of its own
        assert complaints(database_url, heard) == {}
    analyze(database_url)
    assert complaints(database_url, heard) == {}
