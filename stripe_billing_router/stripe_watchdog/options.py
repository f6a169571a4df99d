"""The command line of `stripe-watchdog`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from ..frozen import frozen
from ..redaction import redact

_DESCRIPTION = """\
Prove that the ledger and Stripe agree: whatever happened in Stripe came through the router, and
whatever the router wrote down happened in Stripe.
"""
_EPILOG = """\
exit codes: 0 nothing found; 1 something found (see --fail-on); 2 could not run, nothing is vouched
for. Times are 2026-01-31, 2026-01-31T14:00:00Z (UTC unless an offset is given), an age such as 36h
or 7d, or seconds since the epoch.
"""


@frozen
class Options:
    """What was asked for. Times are still text; paths are absolute, or None for the usual ones."""

    since: str | None = None
    until: str | None = None
    config: Path | None = None
    routing: Path | None = None
    audit_log: Path | None = None
    report: Path | None = None
    export_training: bool = False
    write_codex: bool = False
    json: bool = False
    fail_on: float = 1.0
    plan: bool = False
    dry_run: bool = False
    backfill: bool = False
    verify_all: bool = False
    only: frozenset[str] = frozenset()


def parse(arguments: Sequence[str] | None) -> Options:
    """Return the options; exits with 2 for what is not one."""
    found = vars(_parser().parse_args(arguments))
    return Options(**{**found, "only": frozenset(found["only"] or ())})


class _Parser(argparse.ArgumentParser):
    """Repeats no key that was typed."""

    def error(self, message: str) -> NoReturn:
        super().error(redact(message))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="stripe-watchdog",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--since", metavar="TIME", help="look from here on; else from where the last run ended")
    add("--until", metavar="TIME", help="look up to here; else up to now")
    add("--only", metavar="CHECK", action="append", help="run this check; may be repeated")
    add("--fail-on", metavar="SEVERITY", type=_severity, default=1.0, help=_FAIL_ON)
    add("--dry-run", action="store_true", help="read and report; write, recover and alert nothing")
    add("--plan", action="store_true", help="print what a run would read from Stripe, and stop")
    add("--json", action="store_true", help="print JSON")
    add("--backfill", action="store_true", help="first fetch events that webhooks never delivered")
    add(
        "--verify-all",
        action="store_true",
        help="verify the ledger from its beginning, not only"
        " what is new; done once a day by itself",
    )
    add("--report", metavar="FILE", type=_path, help="write a page of HTML with a chart")
    add("--export-training", action="store_true", help="append findings to the training data")
    add("--write-codex", action="store_true", help=_CODEX)
    add("--audit-log", metavar="FILE", type=_path, help="the audit log, if not the usual one")
    add("--config", metavar="FILE", type=_path, help="the watchdog's file, if not the usual one")
    add("--routing", metavar="FILE", type=_path, help="the routing file, if not the usual one")
    return parser


_CODEX = "flag what is recorded as something to learn a rule from"
_FAIL_ON = "exit with 1 only for findings of at least this severity, 1.0 (default) to 5.0"


def _path(text: str) -> Path:
    """A relative path starts where a shell's user means it to."""
    if not text:
        raise argparse.ArgumentTypeError("the path is empty")
    return Path(text).absolute()


def _severity(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 1.0 <= found <= 5.0:
        raise argparse.ArgumentTypeError(f"{text!r} is no severity; write 1.0 to 5.0")
    return found
