"""The verbs' bench, with rules, and with bots on it that die."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.guards.guards_bench import GuardsBench
from tests.integration.recovery.conftest import paid, stage
from tests.integration.recovery.recovery_bench import RecoveryBench
from tests.integration.verbs.conftest import bench, tables

__all__ = ["bench", "guards", "paid", "stage", "tables"]


@pytest.fixture
def guards(stage: RecoveryBench) -> Iterator[GuardsBench]:
    """Whatever a test did, no counter looks as if somebody had set it back."""
    yield GuardsBench(stage)
    store = stage.bench.router.store
    assert store.set_back(store.now_ms() - 3 * 24 * 3_600_000) == []
