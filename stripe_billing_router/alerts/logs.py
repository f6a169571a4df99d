"""Alerts as log records of this package's logger, with their facts as `extra`."""

from __future__ import annotations

import logging

from ..ports import Discrepancy, Event

_log = logging.getLogger("stripe_billing_router")

_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "critical": logging.CRITICAL}


class LogObserver:
    """One record for each event; no personal data."""

    def notify(self, event: Event) -> None:
        _log.log(
            _LEVELS[event.severity],
            "%s %s: %s",
            event.name,
            event.operation_id,
            event.message,
            extra={
                "billing_event": event.name,
                "operation_id": event.operation_id,
                "bot_id": str(event.bot) if event.bot else None,
                "verb": event.verb,
            },
        )


class LogReaction:
    """The `critical_discrepancy` alert."""

    def react(self, discrepancy: Discrepancy) -> None:
        _log.critical(
            "critical_discrepancy %s: %s, account %s instead of %s",
            discrepancy.bot,
            discrepancy.kind,
            discrepancy.account_id,
            discrepancy.expected_account_id,
            extra={
                "billing_event": "critical_discrepancy",
                "bot_id": str(discrepancy.bot) if discrepancy.bot else None,
                "account_id": discrepancy.account_id,
                "operation_id": discrepancy.operation_id,
            },
        )
