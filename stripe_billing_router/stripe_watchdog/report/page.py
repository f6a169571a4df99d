"""The page: what was found first, then the chart, then what else there is to know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

from ...master_account import STRIPE_MASTER_ACCOUNT_ID
from ..describing import level
from ..files import replace_text
from ..inspection import DaySum
from ..moments import iso
from ..plain import amount_of, counted, money, notes, short
from ..tally import Result, Shown
from .chart import Pair, Series, chart, series

# Whatever a hostile name in Stripe might smuggle in, the browser runs and loads nothing.
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Ledger and Stripe: {verdict}</title>
<style>{style}</style></head>
<body><header>
<h1>Ledger and Stripe</h1>
<p class="verdict {verdict_class}">{verdict}</p>
<dl class="facts">
{facts}
</dl>
</header><main>
<section><h2>Findings</h2>
{findings}
</section>
{figures}
{resolved}
</main>
<footer>
{notes}
<p>stripe-watchdog, {until}</p></footer>
</body></html>
"""

_LEGEND = """
<svg width="0" height="0" aria-hidden="true" style="position:absolute"><defs>
<pattern id="hatched" width="6" height="6" patternUnits="userSpaceOnUse"
patternTransform="rotate(45)"><line class="hatch" x1="0" y1="0" x2="0" y2="6"/></pattern>
</defs></svg>
<ul class="legend">
<li><svg viewBox="0 0 16 16" aria-hidden="true"><rect class="ledger" x="1" y="1" width="14"
height="14"/></svg>Ledger (solid, left)</li>
<li><svg viewBox="0 0 16 16" aria-hidden="true"><rect class="stripe" x="1" y="1" width="14"
height="14"/></svg>Stripe (hatched, right)</li>
<li><b>≠</b>they differ</li></ul>
"""


def write_report(result: Result, path: Path) -> None:
    """Write the page at once; OSError where that is not possible."""
    replace_text(path, page(result), mode=0o666)


def page(result: Result) -> str:
    """Return the whole page."""
    told = (note for note in notes(result) if not note.startswith("Resolved: "))
    return _PAGE.format(
        style=files(__package__).joinpath("style.css").read_text(encoding="utf-8"),
        verdict=escape(_verdict(result)),
        verdict_class=level(result.most_severe) if result.total else "fine",
        facts="\n".join(f"<dt>{n}</dt><dd>{escape(v)}</dd>" for n, v in _facts(result).items()),
        findings=_findings(result),
        figures="\n".join(_figures(result.days)),
        resolved=_resolved(result),
        notes="\n".join(f"<p>{escape(note)}</p>" for note in told),
        until=iso(result.until_ms),
    )


def _verdict(result: Result) -> str:
    if not result.total:
        return "Nothing to report"
    most = f"the most severe is {level(result.most_severe)} ({result.most_severe:.1f})"
    return f"{counted(result.total, 'finding')}, {result.new:,} new; {most}"


def _facts(result: Result) -> dict[str, str]:
    marker = result.marker_ms
    return {
        "Window": f"{short(result.since_ms)} to {short(result.until_ms)} UTC",
        "Account": STRIPE_MASTER_ACCOUNT_ID,
        "Next run from": "unchanged" if marker is None else f"{short(marker)} UTC",
    }


def _resolved(result: Result) -> str:
    if not result.resolved:
        return ""
    lines = (
        f"<li>{escape(told.check)} <code>{escape(told.subject)}</code></li>"
        for told in result.resolved
    )
    listed = "\n".join(lines)
    return f"<section><h2>Resolved since the last run</h2><ul>\n{listed}\n</ul></section>"


def _table(headings: Sequence[str], rows: Iterable[str], kind: str = "", numbers: int = 0) -> str:
    """Return a table; the last `numbers` of its columns are of numbers."""
    words = len(headings) - numbers
    heads = "".join(
        f'<th scope="col"{_NUMBER if place >= words else ""}>{heading}</th>'
        for place, heading in enumerate(headings)
    )
    body = "\n".join(rows)
    return f"<table{kind}><thead><tr>{heads}</tr></thead><tbody>\n{body}\n</tbody></table>"


_NUMBER = ' class="number"'


# -- the findings, the most severe first, with their counts by check above -----------------------


def _findings(result: Result) -> str:
    if not result.total:
        return "<p>None.</p>"
    ordered = sorted(result.counts.items(), key=lambda item: (-item[1], item[0]))
    counts = (f"<tr><td>{escape(c)}</td><td{_NUMBER}>{number:,}</td></tr>" for c, number in ordered)
    headings = ("Severity", "Check", "Who and when", "What was seen, and what to do")
    found = _table(headings, map(_finding, result.findings), ' class="findings"')
    by_check = _table(("Check", "Findings"), counts, ' class="counts"', numbers=1)
    return f'{by_check}<div class="wide">{found}</div>'


def _finding(shown: Shown) -> str:
    finding = shown.finding
    word = level(finding.severity)
    known = "new" if shown.is_new else "told before"
    when = None if finding.at_ms is None else f"{iso(finding.at_ms)[:19].replace('T', ' ')}Z"
    facts = [finding.bot_id, amount_of(finding), when]
    return (
        f'<tr><td class="{word}"><strong>{finding.severity:.1f} {word}</strong><br>'
        f'<span class="soft">{known}</span></td>'
        f"<td>{escape(finding.check)}<br><code>{escape(finding.subject)}</code></td>"
        f"<td>{'<br>'.join(escape(fact) for fact in facts if fact)}</td>"
        f"<td>{escape(finding.message)}</td></tr>"
    )


# -- the chart of each currency with its totals and, folded away, its figures ---------------------


def _figures(days: Sequence[DaySum]) -> Iterator[str]:
    found = series(days)
    yield f"<section><h2>Money by {found[0].period if found else 'day'}</h2>"
    if found:
        yield f"<p>What was collected less what was given back. Days are UTC.</p>{_LEGEND}"
    else:
        yield "<p>No money moved in this window.</p>"
    yield from map(_figure, found)
    yield "</section>"


def _figure(found: Series) -> str:
    code = escape(found.currency.upper())
    headings = (found.period.capitalize(), "Ledger", "Stripe", "Stripe less ledger")
    rows = (_row(pair, found.currency) for pair in found.pairs)
    return (
        f"<figure><figcaption><h3>{code}</h3><p>{escape(_summary(found))}</p></figcaption>"
        f"{chart(found)}<details><summary>Figures by {found.period}, {code}</summary>"
        f"{_table(headings, rows, numbers=3)}</details></figure>"
    )


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
    cells = "".join(f"<td{_NUMBER}>{escape(money(a, currency))}</td>" for a in amounts)
    return f"<tr{mark}><td>{escape(pair.label)}</td>{cells}</tr>"
