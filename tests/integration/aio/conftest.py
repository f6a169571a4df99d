"""The sandbox of a project, as its asynchronous code uses it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stripe_billing_router.testing import Sandbox, sandbox
from tests.integration.aio.aio_bench import Gate
from tests.integration.charge.charge_bench import ROUTING


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Sandbox]:
    (tmp_path / "routing.yaml").write_text(ROUTING)
    with sandbox(tmp_path / "routing.yaml") as made:
        yield made


@pytest.fixture
def gate(box: Sandbox) -> Iterator[Gate]:
    """Whatever a test leaves waiting here goes on when it ends."""
    made = Gate(box)
    yield made
    made.open()
