"""Results as a run would give them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from stripe_billing_router.stripe_watchdog.findings import Finding
from stripe_billing_router.stripe_watchdog.tally import Result, Shown


def result(found: Sequence[Finding], **changes: Any) -> Result:
    given: dict[str, Any] = {
        "since_ms": 1_792_408_000_000,
        "until_ms": 1_795_000_000_000,
        "findings": [Shown(finding, is_new=True) for finding in found],
        "counts": Counter(finding.check for finding in found),
        "new": len(found),
        "most_severe": max((finding.severity for finding in found), default=0.0),
        "resolved": [],
        "open_before": 0,
        "recovered": None,
        "days": (),
        "marker_ms": None,
        "only": (),
        "dry_run": False,
    }
    return Result(**{**given, **changes})
