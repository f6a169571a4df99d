"""The chart of each currency with its totals and, folded away, its figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from ..inspection import DaySum
from ..plain import counted, money
from .chart import chart
from .series import Pair, Series, series

_PATTERN = (
    '<svg width="0" height="0" aria-hidden="true" style="position:absolute"><defs>'
    '<pattern id="hatched" width="6" height="6" patternUnits="userSpaceOnUse" '
    'patternTransform="rotate(45)"><line class="hatch" x1="0" y1="0" x2="0" y2="6"/></pattern>'
    "</defs></svg>"
)
_LEGEND = (
    '<ul class="legend">'
    '<li><svg viewBox="0 0 16 16" aria-hidden="true"><rect class="ledger" x="1" y="1" width="14" '
    'height="14"/></svg>Ledger (solid, left)</li>'
    '<li><svg viewBox="0 0 16 16" aria-hidden="true"><rect class="stripe" x="1" y="1" width="14" '
    'height="14"/></svg>Stripe (hatched, right)</li>'
    "<li><b>≠</b>they differ</li></ul>"
)


def figures(days: Sequence[DaySum]) -> Iterator[str]:
    """Yield the section."""
    found = series(days)
    yield f"<section><h2>Money by {found[0].period if found else 'day'}</h2>"
    if not found:
        yield "<p>No money moved in this window.</p>"
    else:
        yield "<p>What was collected less what was given back. Days are UTC.</p>"
        yield _PATTERN + _LEGEND
    for one in found:
        yield from _figure(one)
    yield "</section>"


def _figure(found: Series) -> Iterator[str]:
    code = escape(found.currency.upper())
    yield f"<figure><figcaption><h3>{code}</h3><p>{escape(_summary(found))}</p></figcaption>"
    yield chart(found)
    yield f"<details><summary>Figures by {found.period}, {code}</summary><table><thead><tr>"
    yield f'<th scope="col">{found.period.capitalize()}</th>'
    for heading in ("Ledger", "Stripe", "Stripe less ledger"):
        yield f'<th scope="col" class="number">{heading}</th>'
    yield "</tr></thead><tbody>"
    for pair in found.pairs:
        yield _row(pair, found.currency)
    yield "</tbody></table></details></figure>"


def _summary(found: Series) -> str:
    both = f"Ledger {money(found.ledger, found.currency)}, Stripe "
    both += money(found.stripe, found.currency)
    if not found.differing:
        return f"{both}; no {found.period} differs."
    differ = "differs" if found.differing == 1 else "differ"
    return f"{both}; {counted(found.differing, found.period)} {differ}."


def _row(pair: Pair, currency: str) -> str:
    mark = ' class="differs"' if pair.ledger != pair.stripe else ""
    amounts = (pair.ledger, pair.stripe, pair.stripe - pair.ledger)
    cells = "".join(f'<td class="number">{escape(money(a, currency))}</td>' for a in amounts)
    return f"<tr{mark}><td>{escape(pair.label)}</td>{cells}</tr>"
