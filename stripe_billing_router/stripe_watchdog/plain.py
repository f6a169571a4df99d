"""A result as text without colours, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from decimal import Decimal

from ..errors import InvalidAmountError
from ..models import RecoveryReport
from ..money import to_major
from .describing import described
from .findings import Finding
from .moments import iso
from .planning import ReadPlan
from .tally import Result


def as_json(result: Result) -> str:
    """Return the whole result as one JSON object."""
    recovered = result.recovered
    data = {
        "since": iso(result.since_ms),
        "until": iso(result.until_ms),
        "only": list(result.only),
        "dry_run": result.dry_run,
        "total": result.total,
        "new": result.new,
        "counts": dict(sorted(result.counts.items())),
        "findings": [{**described(s.finding), "new": s.is_new} for s in result.findings],
        "resolved": [{"check": told.check, "subject": told.subject} for told in result.resolved],
        "open_before": result.open_before,
        "recovered": None if recovered is None else asdict(recovered),
        "marker": None if result.marker_ms is None else iso(result.marker_ms),
    }
    return json.dumps(data, indent=2) + "\n"


def as_text(result: Result) -> str:
    """Return a line for each finding, and what else there is to know."""
    lines = [heading(result)]
    for shown in result.findings:
        finding = shown.finding
        lines.append(
            f"{finding.severity:.1f} {finding.check} {finding.subject}: {finding.message}"
            + ("" if shown.is_new else " (told before)")
        )
    return "\n".join(printable(line) for line in [*lines, *notes(result)]) + "\n"


def heading(result: Result) -> str:
    """Return the first line: what was found, and where it was looked."""
    when = f"{short(result.since_ms)} to {short(result.until_ms)} UTC"
    if not result.total:
        return f"Nothing to report, {when}."
    return f"{counted(result.total, 'finding')}, {result.new:,} of them new, {when}."


def notes(result: Result) -> Iterator[str]:
    """Yield what stands below the findings."""
    if (left_off := result.total - len(result.findings)) > 0:
        yield f"{counted(left_off, 'less severe finding')}: see the audit log."
    for told in result.resolved:
        yield f"Resolved: {told.check} {told.subject}"
    if result.open_before:
        what = counted(result.open_before, "finding")
        yield f"{what} of earlier runs cannot be seen in this window and may still stand."
    if result.recovered is not None and (text := recovered_text(result.recovered)):
        yield f"Recovered first: {text}."
    if result.only:
        yield f"Only these checks were run: {', '.join(result.only)}."
    if result.dry_run:
        yield "A dry run: nothing was recovered, recorded or alerted."


def recovered_text(report: RecoveryReport) -> str:
    """Return what recovery did, such as `2 completed, 1 abandoned`."""
    return ", ".join(f"{len(ids):,} {name}" for name, ids in asdict(report).items() if ids)


def printable(text: str) -> str:
    """Return it as one line that cannot steer a terminal: names in Stripe are anybody's."""
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in text)


def counted(number: int, what: str) -> str:
    """Return `1 finding` or `1,204 findings`."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def short(milliseconds: int) -> str:
    """Return a time for people, to the minute."""
    return iso(milliseconds)[:16].replace("T", " ")


def amount_of(finding: Finding) -> str:
    """Return `12.50 usd`; nothing where a finding is not about an amount."""
    if finding.amount_minor is None:
        return ""
    return money(finding.amount_minor, finding.currency or "")


def money(minor: int, currency: str) -> str:
    """Return an amount in major units; in minor ones for a currency that is not known."""
    try:
        amount: Decimal | str = to_major(minor, currency)
    except InvalidAmountError:
        return f"{minor:,} minor units {currency}".rstrip()
    return f"{amount:,} {currency}"


def plan_text(plan: ReadPlan) -> str:
    """Return what a run would read, as a table."""
    rows = [("source", "objects", "requests")]
    rows += [(s.source, f"{s.objects:,}", f"{s.requests:,}") for s in plan.sources]
    width = max(len(row[0]) for row in rows)
    lines = [f"{a:<{width}}  {b:>12}  {c:>12}" for a, b, c in rows]
    share = plan.requests / plan.allowance if plan.allowance else 0.0
    total = (
        f"{plan.requests:,} requests, about {plan.seconds:,.0f} seconds, {share:.1%} of the "
        f"{plan.allowance:,} reads that Stripe grants in 30 days."
    )
    return "\n".join([*lines, total]) + "\n"


def plan_json(plan: ReadPlan) -> str:
    """Return the same as JSON."""
    return json.dumps({**asdict(plan), "requests": plan.requests}, indent=2) + "\n"
