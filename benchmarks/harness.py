"""What every benchmark shares: sides that run by turns, medians, ratios, and what was promised."""

from __future__ import annotations

import gc
import logging
import random
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Side = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Promise:
    """A bound that a figure has to keep."""

    bound: Literal["at most", "at least"]
    value: float

    def kept_by(self, figure: float) -> bool:
        return figure <= self.value if self.bound == "at most" else figure >= self.value

    def __str__(self) -> str:
        return f"{self.bound} {self.value:g}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. `unit` is `x` for ratios; `detail` says what they were made of."""

    subject: str
    value: float
    unit: str = "x"
    detail: str = ""
    promise: Promise | None = None

    @property
    def kept(self) -> bool:
        return self.promise is None or self.promise.kept_by(self.value)

    def to_dict(self) -> dict[str, Any]:
        promised = None if self.promise is None else str(self.promise)
        return {**asdict(self), "promise": promised, "kept": self.kept}


def medians(sides: Mapping[str, Side], rounds: int, warm_up: int = 10) -> dict[str, float]:
    """Return the median seconds of each side.

    In each round every side runs once, in an order drawn by lot, so that what else the machine
    does, and what the side before has left in its caches, meets all of them alike. The garbage
    collector runs between the rounds only.
    """
    names, lot = list(sides), random.Random(0)
    took: dict[str, list[float]] = {name: [] for name in names}
    gc.disable()
    try:
        for number in range(rounds + warm_up):
            for name in lot.sample(names, len(names)):
                seconds = timed(sides[name])
                if number >= warm_up:
                    took[name].append(seconds)
            if number % 50 == 0:
                gc.collect()
    finally:
        gc.enable()
    return {name: statistics.median(seconds) for name, seconds in took.items()}


def timed(side: Side) -> float:
    """Return the seconds that a call takes."""
    began = time.perf_counter()
    side()
    return time.perf_counter() - began


def ratio(
    subject: str, took: Mapping[str, float], side: str, to: str, promise: Promise | None = None
) -> Figure:
    """Return how much longer one side takes than another."""
    detail = f"{side} {shown(took[side])}, {to} {shown(took[to])}"
    return Figure(subject, took[side] / took[to], "x", detail, promise)


def shown(seconds: float) -> str:
    """Return a time in a unit that suits it."""
    if seconds < 1e-3:
        return f"{seconds * 1e6:.1f} µs"
    return f"{seconds * 1e3:.2f} ms" if seconds < 1 else f"{seconds:.1f} s"


def tell(figures: Iterable[Figure]) -> list[Figure]:
    """Print each figure as soon as it is known, with what was promised of it; return all."""
    found = []
    logging.getLogger("stripe_billing_router").setLevel(logging.ERROR)  # new ledgers are no news
    for figure in figures:
        found.append(figure)
        promised = "" if figure.promise is None else f"({figure.promise})"
        kept = " " if figure.kept else "✗"
        value = f"{figure.value:,.0f}" if figure.value >= 100 else f"{figure.value:.3g}"
        print(f"{kept} {figure.subject:58} {value:>10} {figure.unit:9}{promised:17}{figure.detail}")
    return found
