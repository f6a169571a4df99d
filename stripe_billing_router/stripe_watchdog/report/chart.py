"""A bar chart as inline SVG: for each currency and day, or month, the ledger beside Stripe.

The two are told apart by filling and by place, not by colour alone; days that differ are marked.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from html import escape
from math import floor, log10
from typing import Final

from ...frozen import frozen
from ..inspection import DaySum
from ..plain import money

_WIDTH: Final = 920
_HEIGHT: Final = 260
_LEFT: Final = 92
_RIGHT: Final = 8
_TOP: Final = 26
_BOTTOM: Final = 30
_LABEL_WIDTH: Final = 76
_TICKS: Final = 4


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


def chart(found: Series) -> str:
    """Return the `<svg>` of one currency; `found` has at least one pair."""
    scale = _Scale(found)
    name = f"Ledger and Stripe by {found.period}, {found.currency}"
    parts = [
        f'<svg class="chart" role="img" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'aria-label="{escape(name)}">',
        *_ticks(found, scale),
        *(part for place in range(len(found.pairs)) for part in _pair(found, scale, place)),
        *_labels(found, scale),
        f'<line class="base" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{scale.y(0):.1f}" '
        f'y2="{scale.y(0):.1f}"/>',
        "</svg>",
    ]
    return "\n".join(parts)


class _Scale:
    """From amounts and places to coordinates."""

    def __init__(self, found: Series) -> None:
        amounts = [amount for pair in found.pairs for amount in (pair.ledger, pair.stripe)]
        low, high = min(0, *amounts), max(0, *amounts)
        self.step = _round_step((high - low) or 100)
        self.low = low // self.step * self.step
        self.high = max(-(-high // self.step) * self.step, self.low + self.step)
        self.slot = (_WIDTH - _LEFT - _RIGHT) / len(found.pairs)
        self.bar = min(26.0, self.slot * 0.36)

    def y(self, amount: int) -> float:
        share = (amount - self.low) / (self.high - self.low)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)

    def middle(self, place: int) -> float:
        return _LEFT + (place + 0.5) * self.slot


def _round_step(span: int) -> int:
    """Return a step of 1, 2 or 5 times a power of ten that gives about four ticks."""
    power = 10 ** max(0, floor(log10(span / _TICKS))) if span > _TICKS else 1
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power * _TICKS >= span)


def _ticks(found: Series, scale: _Scale) -> Iterator[str]:
    for amount in range(scale.low, scale.high + 1, scale.step):
        y = scale.y(amount)
        yield (
            f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="tick" x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">'
            f"{escape(money(amount, found.currency).rpartition(' ')[0])}</text>"
        )


def _pair(found: Series, scale: _Scale, place: int) -> Iterator[str]:
    pair, middle = found.pairs[place], scale.middle(place)
    told = escape(_told(pair, found.currency))
    yield f"<g><title>{told}</title>"
    yield _bar("ledger", middle - scale.bar - 0.5, pair.ledger, scale)
    yield _bar("stripe", middle + 0.5, pair.stripe, scale)
    if pair.ledger != pair.stripe:
        top = scale.y(max(pair.ledger, pair.stripe, 0)) - 6
        yield f'<text class="differs" x="{middle:.1f}" y="{top:.1f}" text-anchor="middle">≠</text>'
    yield "</g>"


def _bar(kind: str, x: float, amount: int, scale: _Scale) -> str:
    top, bottom = scale.y(max(amount, 0)), scale.y(min(amount, 0))
    return (
        f'<rect class="{kind}" x="{x:.1f}" y="{top:.1f}" width="{scale.bar:.1f}" '
        f'height="{bottom - top:.1f}"/>'
    )


def _labels(found: Series, scale: _Scale) -> Iterator[str]:
    every = max(1, -(-_LABEL_WIDTH // int(scale.slot)) if scale.slot >= 1 else _LABEL_WIDTH)
    for place in range(0, len(found.pairs), every):
        yield (
            f'<text class="tick" x="{scale.middle(place):.1f}" y="{_HEIGHT - 10}" '
            f'text-anchor="middle">{escape(found.pairs[place].label)}</text>'
        )


def _told(pair: Pair, currency: str) -> str:
    return (
        f"{pair.label}: ledger {money(pair.ledger, currency)}, "
        f"Stripe {money(pair.stripe, currency)}"
    )
