"""A bench with routes of both providers: Stripe's domain, and one whose customers pay by wire."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.charge.charge_bench import Bench, Commits, new_world
from tests.integration.charge.conftest import empty_ledger
from tests.integration.providers.ways import ROUTES

__all__ = ["empty_ledger"]


@pytest.fixture
def bench(tmp_path: Path, empty_ledger: Path) -> Iterator[Bench]:
    (tmp_path / "routing.yaml").write_text(ROUTES)
    shutil.copy(empty_ledger, tmp_path / "ledger.db")
    made = Bench(new_world(), tmp_path, f"sqlite:///{tmp_path}/ledger.db")
    yield made
    made.close()


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> Commits:
    return Commits(monkeypatch)
