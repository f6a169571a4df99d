"""The bench of the charges, on SQLite and on PostgreSQL."""

from __future__ import annotations

import pytest

from tests.integration.charge.charge_bench import Bench
from tests.integration.charge.conftest import bench as sqlite_bench
from tests.integration.charge.conftest import empty_ledger, postgres_bench
from tests.integration.trust.forging import Forger

__all__ = ["empty_ledger", "postgres_bench", "sqlite_bench"]


@pytest.fixture(params=["sqlite_bench", "postgres_bench"])
def bench(request: pytest.FixtureRequest) -> Bench:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Bench)
    return found


@pytest.fixture
def forger(bench: Bench) -> Forger:
    return Forger(bench)
