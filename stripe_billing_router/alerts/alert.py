"""What is told to people, and how urgent it is."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ..frozen import frozen
from ..ports import Discrepancy, Event

CRITICAL_DISCREPANCY = "critical_discrepancy"
MOST_SEVERE = 5.0
_CRITICAL = 4.0
_SEVERITIES = {
    "operation.unrecorded": 5.0,
    "operation.escalated": 4.5,
    "operation.proven": 4.5,
    "operation.unrecovered": 4.0,
}


@frozen
class Alert:
    """Something that people have to know. `severity` goes from 0 to 5; `time_ms` since the epoch.

    `account_id` is the real foreign account of a discrepancy, where it is known.
    """

    name: str
    severity: float
    message: str
    time_ms: int
    bot_id: str | None = None
    verb: str | None = None
    operation_id: str | None = None
    kind: str | None = None
    account_id: str | None = None
    expected_account_id: str | None = None
    amount: str | None = None
    currency: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return what is known, in JSON types."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def alert_of_event(event: Event, time_ms: int) -> Alert:
    """Return the alert for an event, as severe as its weight, or as its name tells."""
    known = _SEVERITIES.get(event.name, _CRITICAL)
    return Alert(
        event.name,
        known if event.weight is None else event.weight,
        event.message,
        time_ms,
        bot_id=str(event.bot) if event.bot else None,
        verb=event.verb,
        operation_id=event.operation_id,
    )


def alert_of_discrepancy(discrepancy: Discrepancy, time_ms: int) -> Alert:
    """Return the `critical_discrepancy` alert; it names the real foreign account."""
    who = discrepancy.bot or "the router"
    account = discrepancy.account_id or "an unknown account"
    return Alert(
        CRITICAL_DISCREPANCY,
        MOST_SEVERE,
        f"{who}: {discrepancy.kind}, {account} instead of {discrepancy.expected_account_id}"
        f"{_asked(discrepancy)}",
        time_ms,
        bot_id=str(discrepancy.bot) if discrepancy.bot else None,
        operation_id=discrepancy.operation_id,
        kind=discrepancy.kind,
        account_id=discrepancy.account_id,
        expected_account_id=discrepancy.expected_account_id,
        verb=discrepancy.verb,
        amount=discrepancy.amount,
        currency=discrepancy.currency,
    )


def _asked(discrepancy: Discrepancy) -> str:
    """Return what the call was about, such as ` (charge 19.99 usd)`."""
    known = (discrepancy.verb, discrepancy.amount, discrepancy.currency)
    words = " ".join(word for word in known if word is not None)
    return f" ({words})" if words else ""
