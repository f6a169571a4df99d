"""What happens is told: in log records, in alerts.jsonl, and out of the house if it is severe."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from ..models import BillingInstructions
from ..ports import CallDetails, Clock, Discrepancy, Event
from ..redaction import printable
from ..secrecy import attempt
from .alert import CRITICAL_DISCREPANCY, MOST_SEVERE, Alert, alert_of_discrepancy, alert_of_event
from .json_lines import JsonLines

# A copy inside another package has loggers of its own, under that package's name.
_PACKAGE: Final = __name__.removesuffix(".alerts.telling")
_log = logging.getLogger(_PACKAGE)
_calls = logging.getLogger(f"{_PACKAGE}.calls")
# Callers hear of their errors: where nobody has set up logging, stderr need not hear of them too.
_calls.addHandler(logging.NullHandler())

_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "critical": logging.CRITICAL}
_TOLD_AT_THE_END: Final = frozenset({"operation.closed", "operation.unknown"})
_IN_DOUBT: Final = frozenset({"unknown", "pending"})


class LogObserver:
    """One record for each event, and one at the end of each call of a verb; no personal data.

    `sandbox`: it is not Stripe itself that answers, which every record says.
    """

    follows = frozenset({"call.ended"})

    def __init__(self, *, sandbox: bool = False) -> None:
        self._where = "sandbox" if sandbox else None

    def notify(self, event: Event) -> None:
        if event.call is not None and event.name == "call.ended":
            self._tell_end(event, event.call)
        elif event.call is None or event.name not in _TOLD_AT_THE_END:
            self._write(_log, _LEVELS[event.severity], event, event.message, _facts(event))

    def _tell_end(self, event: Event, call: CallDetails) -> None:
        level = _level(call)
        if _calls.isEnabledFor(level):
            facts = {**_facts(event), **_ending(call)}
            self._write(_calls, level, event, _pairs(facts), facts)

    def _write(
        self, log: logging.Logger, level: int, event: Event, message: str, facts: dict[str, Any]
    ) -> None:
        name = " ".join(filter(None, (self._where, event.name, event.operation_id)))
        extra = {**facts, "sandbox": self._where is not None}
        log.log(level, "%s: %s", printable(name), printable(message), extra=extra)


def _level(call: CallDetails) -> int:
    """What is in doubt, or went where it should not, is an error; a refusal is a warning."""
    if call.error is None:
        return logging.INFO
    definite = call.money == "not_moved" and call.state not in _IN_DOUBT
    return logging.WARNING if definite else logging.ERROR


def _facts(event: Event) -> dict[str, Any]:
    return {
        "billing_event": event.name,
        "operation_id": event.operation_id,
        "bot_id": str(event.bot) if event.bot else None,
        "verb": event.verb,
    }


def _ending(call: CallDetails) -> dict[str, Any]:
    """Times are in seconds, amounts in minor units."""
    return {
        "region": call.region,
        "state": call.state,
        "error": call.error,
        "reason": call.reason,
        "money": call.money,
        "amount_minor": call.amount_minor,
        "currency": call.currency,
        "duration_s": round(call.duration, 6),
        "requests": call.requests,
        "retries": call.retries,
        "replayed": call.replayed,
    }


def _pairs(facts: dict[str, Any]) -> str:
    """Return the facts that are known as people, and log parsers, read them."""
    told = [(name, fact) for name, fact in facts.items() if name not in _IN_THE_NAME]
    return " ".join(f"{name}={fact}" for name, fact in told if fact is not None)


_IN_THE_NAME: Final = frozenset({"billing_event", "operation_id"})


class LogReaction:
    """The `critical_discrepancy` alert."""

    def react(self, discrepancy: Discrepancy) -> None:
        _log.critical(
            "critical_discrepancy %s: %s, account %s instead of %s",
            discrepancy.bot,
            discrepancy.kind,
            printable(str(discrepancy.account_id)),
            discrepancy.expected_account_id,
            extra={
                "billing_event": "critical_discrepancy",
                "bot_id": str(discrepancy.bot) if discrepancy.bot else None,
                "account_id": discrepancy.account_id,
                "operation_id": discrepancy.operation_id,
                "verb": discrepancy.verb,
                "amount": discrepancy.amount,
                "currency": discrepancy.currency,
            },
        )


_failures = logging.getLogger(__name__)

_FILE_BYTES = 10 * 1024 * 1024


class Alerts:
    """An Observer of critical and of weighed events, and a Reaction to discrepancies.

    Neither of its two ways keeps the other from being tried. `dispatch` takes an alert out of the
    house.
    """

    def __init__(
        self,
        path: Path,
        dispatch: Callable[[Alert], object],
        instructions: Callable[[], BillingInstructions],
        clock: Clock,
    ) -> None:
        self._file = JsonLines(path, _FILE_BYTES)
        self._dispatch = dispatch
        self._instructions = instructions
        self._clock = clock

    def notify(self, event: Event) -> None:
        if event.severity == "critical" or event.weight is not None:
            self.raise_alert(alert_of_event(event, self._clock.now_ms()))

    def react(self, discrepancy: Discrepancy) -> None:
        self.raise_alert(alert_of_discrepancy(discrepancy, self._clock.now_ms()))

    def raise_alert(self, alert: Alert) -> None:
        """Write an alert down and send it; what fails is logged."""
        alert = self._weighed(alert)
        wrote = "an alert could not be written to alerts.jsonl"
        attempt(_failures, wrote, lambda: self._file.append(alert.to_dict()))
        attempt(_failures, "an alert could not be sent", lambda: self._send(alert))

    def _weighed(self, alert: Alert) -> Alert:
        """The host may weigh events differently, but not a failed check of the account."""
        told = self._instructions().events.get(alert.name)
        if told is None or told.severity is None or alert.name == CRITICAL_DISCREPANCY:
            return alert
        return replace(alert, severity=told.severity)

    def _send(self, alert: Alert) -> None:
        if alert.severity >= min(self._instructions().send_from, MOST_SEVERE):
            self._dispatch(alert)
