"""Plays many schedules, in as many processes as there are cores."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.util import Finalize

from tests.simulation.bed import Bed, new_bed
from tests.simulation.generate import schedule
from tests.simulation.guard_invariants import guards_met
from tests.simulation.invariants import violations
from tests.simulation.simulation import Simulation

_TOGETHER = 20


@dataclass
class Played:
    """What came of some schedules: violations by seed, how often which mishap struck, and how
    often which guard was met."""

    schedules: int = 0
    violations: dict[int, list[str]] = field(default_factory=dict)
    struck: Counter[str] = field(default_factory=Counter)
    met: Counter[str] = field(default_factory=Counter)

    def add(self, other: Played) -> None:
        self.schedules += other.schedules
        self.violations.update(other.violations)
        self.struck.update(other.struck)
        self.met.update(other.met)


def play(bed: Bed, seed: int, tell: Callable[[str], None] | None = None) -> Played:
    """Play the schedule of a seed; `tell` hears of everything that happens in it."""
    simulation = Simulation(bed, schedule(seed), tell)
    simulation.play()
    found = violations(simulation)
    struck = Counter(type(injection.mishap).__name__ for injection in simulation.fired)
    return Played(1, {seed: found} if found else {}, struck, guards_met(simulation))


class Workers:
    """Processes that each have a bed of their own."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def play(self, seeds: range) -> Iterator[Played]:
        """Yield what came of the schedules, a few seeds at a time, in whatever order."""
        starts = range(seeds.start, seeds.stop, _TOGETHER)
        parts = [range(start, min(start + _TOGETHER, seeds.stop)) for start in starts]
        for done in as_completed([self._pool.submit(_play_some, part) for part in parts]):
            yield done.result()


@contextmanager
def workers(number: int | None = None) -> Iterator[Workers]:
    """Start processes, one for each core unless told otherwise."""
    found = number or len(os.sched_getaffinity(0))
    with ProcessPoolExecutor(found, get_context("spawn"), _make_bed) as pool:
        try:
            yield Workers(pool)
        finally:
            pool.shutdown(cancel_futures=True)


_beds: list[Bed] = []
_held = ExitStack()


def _make_bed() -> None:
    _beds.append(_held.enter_context(new_bed()))
    Finalize(None, _held.close, exitpriority=10)


def _play_some(seeds: Sequence[int]) -> Played:
    total = Played()
    for seed in seeds:
        total.add(play(_beds[0], seed))
    return total
