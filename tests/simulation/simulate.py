"""Runs schedules from the command line: many, or one with everything that happens in it."""

from __future__ import annotations

import argparse
import sys
import time

from tests.simulation.bed import Bed, new_bed
from tests.simulation.generate import schedule
from tests.simulation.invariants import violations
from tests.simulation.simulation import Simulation


def simulate(bed: Bed, seed: int, *, verbose: bool = False) -> list[str]:
    """Play the schedule of a seed; return what must not have happened."""
    simulation = Simulation(bed, schedule(seed), print if verbose else None)
    simulation.play()
    return violations(simulation)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int)
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--schedules", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    bad = 0
    with new_bed() as bed:
        if given.seed is not None:
            print(schedule(given.seed))
            for v in simulate(bed, given.seed, verbose=given.verbose):
                print("*", v)
            return
        t = time.time()
        for seed in range(given.first, given.first + given.schedules):
            found = simulate(bed, seed)
            if found:
                bad += 1
                print(seed, found[:3])
        print(bad, (given.schedules) / (time.time() - t), file=sys.stderr)


main()
