"""Every check, in one tuple. `docs/watchdog-checks.md` says what each means."""

from __future__ import annotations

from ..cases import (
    BrokenStream,
    Claim,
    Dispute,
    Endpoint,
    KeyAccount,
    OpenOperation,
    RoutedObject,
    SetBack,
    Takings,
)
from ..movements import Movement
from . import amounts, charges, failures, ledger, refunds, surroundings
from .base import Check

CHECKS: tuple[Check, ...] = (
    Check("missing_charge", 2.5, Movement, charges.missing_charge),
    Check("missing_refund", 2.0, Movement, refunds.missing_refund),
    Check("missing_failure_log", 1.5, Movement, failures.missing_failure_log),
    Check("unauthorized_charge", 3.5, Movement, charges.unauthorized_charge),
    Check("unauthorized_refund", 3.5, Movement, refunds.unauthorized_refund),
    Check("unauthorized_failure", 3.0, Movement, failures.unauthorized_failure),
    Check("unapproved_workflow", 3.5, Movement, charges.unapproved_workflow),
    Check(
        "unknown_webhook", 2.0, Endpoint, surroundings.unknown_webhook, "stripe_unknown_endpoint"
    ),
    Check("disabled_webhook", 3.0, Endpoint, surroundings.disabled_webhook),
    Check("revenue_mismatch", 4.0, Takings, amounts.revenue_mismatch),
    Check(
        "account_mismatch",
        5.0,
        Movement,
        surroundings.account_mismatch,
        also_about=(Claim, KeyAccount),
    ),
    Check("amount_mismatch", 4.0, Movement, amounts.amount_mismatch),
    Check("currency_mismatch", 4.0, Movement, amounts.currency_mismatch),
    Check("duplicate_charge", 4.0, Movement, charges.duplicate_charge),
    Check("orphan_ledger_entry", 3.5, Claim, ledger.orphan_ledger_entry),
    Check("stale_operation", 3.0, OpenOperation, ledger.stale_operation),
    Check("balance_mismatch", 3.5, Movement, amounts.balance_mismatch),
    Check("dispute_opened", 3.0, Dispute, surroundings.dispute_opened),
    Check("ledger_tampered", 5.0, BrokenStream, ledger.ledger_tampered),
    Check("budget_set_back", 4.0, SetBack, ledger.budget_set_back),
    Check("route_drift", 2.5, RoutedObject, surroundings.route_drift),
)

__all__ = ["CHECKS", "Check"]
