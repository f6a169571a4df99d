"""What the chart shows: for each currency one pair of sums for each day, or month, without gaps."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Final

from ...frozen import frozen
from ..inspection import DaySum

_MOST_DAYS: Final = 92
"""A longer window is shown by month: narrower bars could not be told apart."""


@frozen
class Pair:
    """`label` is `2026-11-20` or `2026-11`; the sums are minor units."""

    label: str
    ledger: int
    stripe: int


@frozen
class Series:
    """One currency. `period` is `day` or `month`."""

    currency: str
    period: str
    pairs: Sequence[Pair]

    @property
    def ledger(self) -> int:
        return sum(pair.ledger for pair in self.pairs)

    @property
    def stripe(self) -> int:
        return sum(pair.stripe for pair in self.pairs)

    @property
    def differing(self) -> int:
        """How many days or months differ."""
        return sum(pair.ledger != pair.stripe for pair in self.pairs)


def series(days: Sequence[DaySum]) -> list[Series]:
    """Return one Series for each currency, in alphabetical order, all over the same time."""
    if not days:
        return []
    dates = list(_dates(min(d.day for d in days), max(d.day for d in days)))
    period, length = ("day", 10) if len(dates) <= _MOST_DAYS else ("month", 7)
    labels = list(dict.fromkeys(date[:length] for date in dates))
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for day in days:
        key = (day.currency, day.day[:length])
        ledger, stripe = sums.get(key, (0, 0))
        sums[key] = (ledger + day.ledger_minor, stripe + day.stripe_minor)
    return [
        Series(code, period, [Pair(label, *sums.get((code, label), (0, 0))) for label in labels])
        for code in sorted({day.currency for day in days})
    ]


def _dates(first: str, last: str) -> Iterator[str]:
    date, end = dt.date.fromisoformat(first), dt.date.fromisoformat(last)
    while date <= end:
        yield date.isoformat()
        date += dt.timedelta(days=1)
