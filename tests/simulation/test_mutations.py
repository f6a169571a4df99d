"""The simulation finds each way of breaking the protocol: its silence means something."""

from __future__ import annotations

import pytest

from tests.simulation.bed import Bed
from tests.simulation.broken import Broken
from tests.simulation.generate import schedule
from tests.simulation.guard_mutations import GUARD_MUTATIONS
from tests.simulation.mutations import MUTATIONS
from tests.simulation.runs import play

MOST = 2000
"""Schedules within which each has to be found; most are found within fifty."""


ALL: dict[str, Broken] = {**MUTATIONS, **GUARD_MUTATIONS}


@pytest.mark.parametrize("name", ALL)
def test_a_broken_protocol_is_found(bed: Bed, name: str) -> None:
    broken = ALL[name]
    with broken.mutation():
        found = any(
            play(bed, seed).violations for seed in range(MOST) if broken.concerns(schedule(seed))
        )
    assert found, f"{MOST} schedules went well although {name}"
