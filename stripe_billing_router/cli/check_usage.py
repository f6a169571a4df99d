"""`check-usage`: Stripe used outside the router, and raw keys."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ..errors import InvalidRequestError
from ..redaction import shown
from ..usage_lint import RULES, Report, examine
from .ground import JsonOption
from .output import as_json

_Paths = Annotated[
    list[Path] | None, typer.Argument(metavar="PATH", help="Files and folders; here if none.")
]
_Allow = Annotated[
    list[str] | None,
    typer.Option(metavar="RULE:GLOB", help="Allow a rule for some files; may be repeated."),
]
_WithIgnored = Annotated[bool, typer.Option("--with-ignored", help="Check what git ignores, too.")]


def check_usage(
    paths: _Paths = None,
    allow: _Allow = None,
    with_ignored: _WithIgnored = False,
    as_json_: JsonOption = False,
) -> None:
    """Find Stripe used outside the router, and raw keys.

    Exit code 1 if there are any.
    """
    report = examine(paths or [Path()], allow=_by_rule(allow or []), with_ignored=with_ignored)
    if as_json_:
        as_json([{**asdict(one), "name": RULES[one.rule]} for one in report.findings])
    else:
        for finding in report.findings:
            typer.echo(str(finding))
    _conclude(report)


def _conclude(report: Report) -> None:
    for note in report.notes:
        typer.echo(note, err=True)
    files, findings = _counted(report.files, "file"), _counted(len(report.findings), "finding")
    typer.echo(f"{files} checked, {findings}.", err=True)
    error = report.error()
    if error is not None:
        raise error
    if report.findings:
        raise typer.Exit(1)


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _by_rule(entries: list[str]) -> dict[str, list[str]]:
    allow: dict[str, list[str]] = {}
    for entry in entries:
        rule, colon, glob = entry.partition(":")
        if not colon:
            raise InvalidRequestError(
                f"--allow {shown(entry)} is not RULE:GLOB; write --allow 'SBR001:gateway/**'.",
                parameter="allow",
            )
        allow.setdefault(rule, []).append(glob)
    return allow
