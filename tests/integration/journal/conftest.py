"""The bench of the charges, with a database that can be sent away."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.charge.conftest import bench, empty_ledger
from tests.integration.journal.journal_bench import Outage

__all__ = ["bench", "empty_ledger"]


@pytest.fixture
def outage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Outage]:
    made = Outage(monkeypatch)
    yield made
    made.end()
