"""The page: what was found first, then the chart, then what else there is to know."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from importlib.resources import files
from pathlib import Path

from ...master_account import STRIPE_MASTER_ACCOUNT_ID
from ..describing import level
from ..files import replace_text
from ..moments import iso
from ..plain import counted, notes, short
from ..tally import Result
from .figures import figures
from .findings_table import findings_table

_TITLE = "Ledger and Stripe"
# Whatever a hostile name in Stripe might smuggle in, the browser runs and loads nothing.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def write_report(result: Result, path: Path) -> None:
    """Write the page at once; OSError where that is not possible."""
    replace_text(path, page(result), mode=0o666)


def page(result: Result) -> str:
    """Return the whole page."""
    style = files(__package__).joinpath("style.css").read_text(encoding="utf-8")
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        '<head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{_TITLE}: {escape(_verdict(result))}</title>",
        f"<style>{style}</style></head>",
        "<body><header>",
        f"<h1>{_TITLE}</h1>",
        f'<p class="verdict {_verdict_class(result)}">{escape(_verdict(result))}</p>',
        *_facts(result),
        "</header><main>",
        *findings_table(result),
        *figures(result.days),
        *_resolved(result),
        "</main>",
        *_footer(result),
        "</body></html>\n",
    ]
    return "\n".join(parts)


def _verdict(result: Result) -> str:
    if not result.total:
        return "Nothing to report"
    most = f"the most severe is {level(result.most_severe)} ({result.most_severe:.1f})"
    return f"{counted(result.total, 'finding')}, {result.new:,} new; {most}"


def _verdict_class(result: Result) -> str:
    return level(result.most_severe) if result.total else "fine"


def _facts(result: Result) -> Iterator[str]:
    facts = {
        "Window": f"{short(result.since_ms)} to {short(result.until_ms)} UTC",
        "Account": STRIPE_MASTER_ACCOUNT_ID,
        "Next run from": "unchanged"
        if result.marker_ms is None
        else f"{short(result.marker_ms)} UTC",
    }
    yield '<dl class="facts">'
    for name, value in facts.items():
        yield f"<dt>{name}</dt><dd>{escape(value)}</dd>"
    yield "</dl>"


def _resolved(result: Result) -> Iterator[str]:
    if not result.resolved:
        return
    yield "<section><h2>Resolved since the last run</h2><ul>"
    for told in result.resolved:
        yield f"<li>{escape(told.check)} <code>{escape(told.subject)}</code></li>"
    yield "</ul></section>"


def _footer(result: Result) -> Iterator[str]:
    yield "<footer>"
    for note in notes(result):
        if not note.startswith("Resolved: "):
            yield f"<p>{escape(note)}</p>"
    yield f"<p>stripe-watchdog, {iso(result.until_ms)}</p></footer>"
