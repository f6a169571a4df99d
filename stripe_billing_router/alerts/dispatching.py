"""Alerts on their way: into alerts.jsonl always, and out of the house if they are severe enough."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ..attempts import attempt
from ..models import BillingInstructions
from ..ports import Clock, Discrepancy, Event
from .alert import CRITICAL_DISCREPANCY, MOST_SEVERE, Alert, alert_of_discrepancy, alert_of_event
from .json_lines import JsonLines

_log = logging.getLogger(__name__)

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
        attempt(_log, wrote, lambda: self._file.append(alert.to_dict()))
        attempt(_log, "an alert could not be sent", lambda: self._send(alert))

    def _weighed(self, alert: Alert) -> Alert:
        """The host may weigh events differently, but not a failed check of the account."""
        told = self._instructions().events.get(alert.name)
        if told is None or told.severity is None or alert.name == CRITICAL_DISCREPANCY:
            return alert
        return replace(alert, severity=told.severity)

    def _send(self, alert: Alert) -> None:
        if alert.severity >= min(self._instructions().send_from, MOST_SEVERE):
            self._dispatch(alert)
