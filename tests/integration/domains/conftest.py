"""A bench on which the domain under test is installed, by one line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stripe_billing_router.bootstrap import INSTALLED
from stripe_billing_router.engine import SystemClock
from stripe_billing_router.store.database import Database
from stripe_billing_router.store.migrate import schemas_of, upgrade
from tests.integration.charge.charge_bench import ROUTING, Bench, new_world
from tests.integration.domains.points import POINTS


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(INSTALLED, "points", "tests.integration.domains.points:POINTS")


def made_at(url: str, folder: Path) -> Bench:
    (folder / "routing.yaml").write_text(ROUTING)
    database = Database(url, SystemClock())
    upgrade(database, schemas_of([POINTS]))
    database.close()
    return Bench(new_world(), folder, url)


@pytest.fixture
def any_bench(tmp_path: Path, database_url: str, installed: None) -> Iterator[Bench]:
    """On each supported database in turn."""
    made = made_at(database_url, tmp_path)
    yield made
    made.close()


@pytest.fixture
def one_bench(tmp_path: Path, sqlite_url: str, installed: None) -> Iterator[Bench]:
    made = made_at(sqlite_url, tmp_path)
    yield made
    made.close()
