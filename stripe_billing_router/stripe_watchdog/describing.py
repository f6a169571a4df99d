"""A finding as plain data: one shape for the audit log, `--json`, training and the sanity layer."""

from __future__ import annotations

from typing import Any, Literal

from ..redaction import without_secrets
from .findings import Finding
from .moments import iso

_CRITICAL_FROM = 4.0
_WARNING_FROM = 2.0


def described(finding: Finding) -> dict[str, Any]:
    """Return it in JSON types, without secrets. `at` is a time as text, or None."""
    data = {
        "fingerprint": finding.fingerprint,
        "check": finding.check,
        "severity": finding.severity,
        "subject": finding.subject,
        "message": finding.message,
        "bot_id": finding.bot_id,
        "operation_id": finding.operation_id,
        "account_id": finding.account_id,
        "amount_minor": finding.amount_minor,
        "currency": finding.currency,
        "at": None if finding.at_ms is None else iso(finding.at_ms),
        "details": dict(finding.details),
    }
    safe: dict[str, Any] = without_secrets(data)
    return safe


def level(severity: float) -> Literal["info", "warning", "critical"]:
    """Return how grave a severity is, in a word."""
    if severity >= _CRITICAL_FROM:
        return "critical"
    return "warning" if severity >= _WARNING_FROM else "info"
