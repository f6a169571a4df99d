"""A fresh world and a fresh ledger for each test; the tables are made once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from stripe_billing_router.engine import SystemClock
from stripe_billing_router.master_account import STRIPE_MASTER_ACCOUNT_ID
from stripe_billing_router.sandbox import SANDBOX_API_BASE
from stripe_billing_router.store import SqlStore
from stripe_billing_router.store.database import Database
from stripe_billing_router.store.migrate import upgrade
from tests.integration.charge.charge_bench import ROUTING, Bench, Commits, new_world


@pytest.fixture(scope="session")
def empty_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with its tables and nothing in them, to be copied."""
    path = tmp_path_factory.mktemp("empty") / "ledger.db"
    path.touch()
    store = SqlStore(
        f"sqlite:///{path}",
        SystemClock(),
        account_id=STRIPE_MASTER_ACCOUNT_ID,
        api_base=SANDBOX_API_BASE,
    )
    store.operation("none")
    store.close()
    return path


@pytest.fixture
def bench(tmp_path: Path, empty_ledger: Path) -> Iterator[Bench]:
    (tmp_path / "routing.yaml").write_text(ROUTING)
    shutil.copy(empty_ledger, tmp_path / "ledger.db")
    made = Bench(new_world(), tmp_path, f"sqlite:///{tmp_path}/ledger.db")
    yield made
    made.close()


@pytest.fixture
def postgres_bench(tmp_path: Path, postgres_url: str) -> Iterator[Bench]:
    (tmp_path / "routing.yaml").write_text(ROUTING)
    database = Database(postgres_url, SystemClock())
    upgrade(database)
    database.close()
    made = Bench(new_world(), tmp_path, postgres_url)
    yield made
    made.close()


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> Commits:
    return Commits(monkeypatch)
