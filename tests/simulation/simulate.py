"""Crash simulation from the command line: many schedules, or one with everything that happens.

::

    python tests/simulation/simulate.py --schedules 100000
    python tests/simulation/simulate.py --seed 42 --verbose
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.simulation.bed import new_bed
from tests.simulation.generate import schedule
from tests.simulation.runs import Played, play, workers


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, help="play this schedule only")
    parser.add_argument("--verbose", action="store_true", help="with --seed: tell what happens")
    parser.add_argument("--schedules", type=int, default=2000, help="how many (2000)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (0)")
    parser.add_argument("--workers", type=int, help="how many processes (one for each core)")
    given = parser.parse_args()
    if given.seed is not None:
        total = _one(given.seed, given.verbose)
    else:
        total = _many(range(given.first, given.first + given.schedules), given.workers)
    return 1 if total.violations else 0


def _one(seed: int, verbose: bool) -> Played:
    with new_bed() as bed:
        if verbose:
            print(schedule(seed))
        played = play(bed, seed, print if verbose else None)
    _print_violations(played)
    return played


def _many(seeds: range, processes: int | None) -> Played:
    total, began = Played(), time.monotonic()
    with workers(processes) as pool:
        for played in pool.play(seeds):
            total.add(played)
            _print_violations(played)
            _show_progress(total, len(seeds), began)
    _summarise(total, time.monotonic() - began)
    return total


def _print_violations(played: Played) -> None:
    for seed, found in played.violations.items():
        for violation in found:
            print(f"seed {seed}: {violation}")


def _show_progress(total: Played, wanted: int, began: float) -> None:
    if sys.stderr.isatty():
        speed = total.schedules / (time.monotonic() - began)
        line = f"{total.schedules:,} of {wanted:,}, {len(total.violations)} bad, {speed:.0f}/s"
        print(f"\r{line}  ", end="", file=sys.stderr, flush=True)


def _summarise(total: Played, seconds: float) -> None:
    if sys.stderr.isatty():
        print(file=sys.stderr)
    struck = ", ".join(f"{name} {number:,}" for name, number in total.struck.most_common())
    print(f"struck: {struck}")
    met = ", ".join(f"{name} {number:,}" for name, number in total.met.most_common())
    print(f"met: {met}")
    print(
        f"{total.schedules:,} schedules in {seconds:.0f} s ({total.schedules / seconds:.0f}/s): "
        f"{len(total.violations)} with violations"
    )


if __name__ == "__main__":
    sys.exit(main())
