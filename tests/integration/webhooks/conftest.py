"""A fresh world, ledger and inbox for each test; the tables are made once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from stripe_billing_router.engine import SystemClock
from stripe_billing_router.store import migrate
from stripe_billing_router.store.database import Database
from tests.integration.verbs.conftest import tables
from tests.integration.webhooks.webhooks_bench import WebhooksBench, webhooks_bench

__all__ = ["tables"]


@pytest.fixture
def bench(tmp_path: Path, tables: Path) -> Iterator[WebhooksBench]:
    shutil.copy(tables, tmp_path / "ledger.db")
    made = webhooks_bench(tmp_path, f"sqlite:///{tmp_path}/ledger.db")
    yield made
    made.close()


@pytest.fixture
def any_bench(tmp_path: Path, database_url: str) -> Iterator[WebhooksBench]:
    """The same on each supported database in turn."""
    database = Database(database_url, SystemClock())
    migrate.upgrade(database)
    database.close()
    made = webhooks_bench(tmp_path, database_url)
    yield made
    made.close()
