"""Amounts: charge or refund, ledger entry and balance transaction must be one and the same."""

from __future__ import annotations

from ..cases import Problem, Takings, View
from ..limits import Limits
from ..movements import Movement


def amount_mismatch(movement: Movement, view: View) -> Problem | None:
    """Ledger and Stripe agree that money moved, and not on how much."""
    difference = amount_difference(movement, view.limits)
    if not difference:
        return None
    shown, (entry,) = movement.shown, movement.recorded
    return Problem(
        f"Stripe moved {shown.collected_minor} {shown.currency} (minor units) with {shown.id}, the "
        f"ledger says {entry.amount_minor} for {entry.id}. Find out what changed the payment after "
        "it was recorded.",
        details={"entry": entry.id, "ledger_minor": entry.amount_minor},
    )


def amount_difference(movement: Movement, limits: Limits) -> int:
    """Return by how much Stripe shows more than the one entry says, 0 within the tolerance."""
    shown, recorded = movement.shown, movement.recorded
    if len(recorded) != 1 or not movement.settled or recorded[0].currency != shown.currency:
        return 0
    difference = shown.collected_minor - (recorded[0].amount_minor or 0)
    return difference if abs(difference) > limits.amount_tolerance_minor else 0


def currency_mismatch(movement: Movement, view: View) -> Problem | None:  # noqa: ARG001
    """Ledger and Stripe name different currencies for one movement."""
    shown = movement.shown
    for entry in movement.recorded:
        if entry.currency != shown.currency and movement.settled:
            return Problem(
                f"{shown.id} moved {shown.currency}, the ledger says {entry.currency} for "
                f"{entry.id}. Find out which of the two was changed.",
                details={"entry": entry.id, "ledger_currency": entry.currency},
            )
    return None


def balance_mismatch(movement: Movement, view: View) -> Problem | None:
    """After the settlement lag, the balance transaction is missing or of another amount."""
    shown = movement.shown
    if shown.status != "succeeded" or not movement.recorded or not shown.collected_minor:
        return None
    if view.now_ms - shown.created_ms < view.limits.settlement_lag_ms:
        return None
    why = _wrong_balance(movement, view.limits.balance_tolerance_minor)
    if not why:
        return None
    return Problem(
        f"{shown.id} moved {shown.collected_minor} {shown.currency} (minor units), and {why}. Look "
        "at the payment in Stripe's dashboard, and ask Stripe if it does not explain it.",
        details={"balance_minor": shown.balance_minor, "balance_currency": shown.balance_currency},
    )


def _wrong_balance(movement: Movement, tolerance: int) -> str:
    shown = movement.shown
    if shown.balance_minor is None:
        return "the account's balance has no transaction of it"
    if shown.converted:
        return ""
    if shown.balance_currency != shown.currency:
        return f"the account's balance shows {shown.balance_currency}"
    if abs(shown.balance_minor - shown.collected_minor) > tolerance:
        return f"the account's balance shows {shown.balance_minor}"
    return ""


def revenue_mismatch(takings: Takings, view: View) -> Problem | None:
    """A day's sums differ by more than the tolerance, and no other finding explains it."""
    difference = takings.stripe_minor - takings.ledger_minor
    if abs(difference - takings.explained_minor) <= view.limits.revenue_tolerance_minor:
        return None
    return Problem(
        f"On {takings.day} Stripe took {takings.stripe_minor} {takings.currency} (minor units, "
        f"less refunds), the ledger says {takings.ledger_minor}; other findings and operations "
        f"under way explain {takings.explained_minor} of the difference. Look for payments with "
        "more than one entry in the ledger.",
        details={
            "stripe_minor": takings.stripe_minor,
            "ledger_minor": takings.ledger_minor,
            "explained_minor": takings.explained_minor,
        },
    )
