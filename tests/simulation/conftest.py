"""A bed for each file, and one pool of processes with beds of their own, for all simulations."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.simulation.bed import Bed, new_bed
from tests.simulation.runs import Workers, workers


@pytest.fixture(scope="session")
def pool() -> Iterator[Workers]:
    with workers() as started:
        yield started


@pytest.fixture(scope="module")
def bed() -> Iterator[Bed]:
    """For one file: while it lasts, this process logs nothing."""
    with new_bed() as made:
        yield made
