"""The verbs' bench, and bots on it that die."""

from __future__ import annotations

import pytest

from tests.integration.recovery.recovery_bench import RecoveryBench
from tests.integration.verbs.conftest import bench, tables
from tests.integration.verbs.verbs_bench import Bench
from tests.integration.verbs.verbs_cases import payment_before

__all__ = ["bench", "paid", "stage", "tables"]


@pytest.fixture
def stage(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> RecoveryBench:
    return RecoveryBench(bench, monkeypatch)


@pytest.fixture
def paid(bench: Bench) -> str:
    """A payment of 50.00 that was made before, to be given back."""
    return payment_before(bench)
