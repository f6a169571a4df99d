"""`stripe-watchdog`: exit code 0 clean, 1 findings, 2 could not run."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from ..client import BillingRouter
from ..errors import BillingError
from ..models import OperationState
from ..store import SqlStore
from .checks import CHECKS, Finding, Sources

_UNSETTLED = (OperationState.PENDING, OperationState.UNKNOWN)
_MOST = 10_000


def watch(store: SqlStore) -> list[Finding]:
    """Return everything that the checks find, the most severe first."""
    sources = Sources(
        now_ms=store.now_ms(),
        ledger=store.ledger.verify(),
        unsettled=store.operations(states=_UNSETTLED, limit=_MOST, newest_first=False),
    )
    found = [finding for check in CHECKS for finding in check(sources)]
    return sorted(found, key=lambda finding: -finding.severity)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run every check once; the entry point of the console script."""
    options = _parser().parse_args(arguments)
    try:
        with BillingRouter(options.routing, recover_at_start=False) as router:
            found = watch(router.store)
    except BillingError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(_told(found, as_json=options.json))
    return 1 if any(finding.severity >= options.fail_on for finding in found) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="stripe-watchdog",
        description="Check that the ledger holds and that no operation is left in doubt.",
    )
    parser.add_argument("--routing", type=Path, metavar="FILE", help="the routing file")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--fail-on",
        type=float,
        default=1.0,
        metavar="SEVERITY",
        help="exit with 1 only for findings of at least this severity (1.0 to 5.0)",
    )
    return parser


def _told(found: Sequence[Finding], *, as_json: bool) -> str:
    if as_json:
        return json.dumps([asdict(finding) for finding in found], indent=2) + "\n"
    lines = [f"{f.severity} {f.check} {f.subject}: {f.message}" for f in found]
    return "\n".join(lines or ["Nothing to report."]) + "\n"
