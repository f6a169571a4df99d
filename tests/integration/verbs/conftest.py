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
from tests.integration.verbs.verbs_bench import ROUTING, Bench, Wire, new_router, new_world, warm


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with its tables and nothing in them, to be copied."""
    path = tmp_path_factory.mktemp("tables") / "ledger.db"
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
def bench(tmp_path: Path, tables: Path) -> Iterator[Bench]:
    (tmp_path / "routing.yaml").write_text(ROUTING)
    for name in ("ledger.db", "empty.db"):
        shutil.copy(tables, tmp_path / name)
    world = new_world()
    wire = Wire(world)
    router = new_router(tmp_path, f"sqlite:///{tmp_path}/ledger.db", world, wire)
    warm(router)
    world.requests.clear()
    made = Bench(world, tmp_path, wire, router)
    yield made
    made.close()
