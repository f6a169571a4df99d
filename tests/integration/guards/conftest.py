"""The verbs' bench, with rules, and with bots on it that die."""

from __future__ import annotations

import pytest

from tests.integration.guards.guards_bench import GuardsBench
from tests.integration.recovery.conftest import paid, stage
from tests.integration.recovery.recovery_bench import RecoveryBench
from tests.integration.verbs.conftest import bench, tables

__all__ = ["bench", "guards", "paid", "stage", "tables"]


@pytest.fixture
def guards(stage: RecoveryBench) -> GuardsBench:
    return GuardsBench(stage)
