"""The findings as a table, the most severe first, with their counts by check above."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from ..describing import level
from ..moments import iso
from ..plain import amount_of
from ..tally import Result, Shown


def findings_table(result: Result) -> Iterator[str]:
    """Yield the section."""
    yield "<section><h2>Findings</h2>"
    if not result.total:
        yield "<p>None.</p>"
    else:
        yield from _counts(result)
        yield '<div class="wide"><table class="findings"><thead><tr>'
        for heading in ("Severity", "Check", "Who and when", "What was seen, and what to do"):
            yield f'<th scope="col">{heading}</th>'
        yield "</tr></thead><tbody>"
        for shown in result.findings:
            yield _row(shown)
        yield "</tbody></table></div>"
    yield "</section>"


def _counts(result: Result) -> Iterator[str]:
    yield '<table class="counts"><thead><tr><th scope="col">Check</th>'
    yield '<th scope="col" class="number">Findings</th></tr></thead><tbody>'
    for check, number in sorted(result.counts.items(), key=lambda item: (-item[1], item[0])):
        yield f'<tr><td>{escape(check)}</td><td class="number">{number:,}</td></tr>'
    yield "</tbody></table>"


def _row(shown: Shown) -> str:
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
