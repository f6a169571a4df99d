"""Where findings go outside the watchdog: the sanity layer, and alerts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ..errors import InvalidRequestError
from ..frozen import frozen
from ..models import BotId
from ..ports import Event
from .checks import CHECKS
from .describing import level
from .findings import Finding

_NAMES = {check.id: check.alert_name for check in CHECKS}


class Anomalies(Protocol):
    """Where anomalies are kept for people and for training."""

    def record(self, finding: Finding) -> None:
        """Keep it durably. Raises BillingError if that is not possible."""
        ...

    def holds(self, finding: Finding, since_ms: int) -> bool:
        """Say whether it was recorded since then; asked only after a run was cut off."""
        ...


@frozen
class Outlets:
    """Both outlets. `alert` may be told of one finding twice, if a run is cut off just then."""

    anomalies: Anomalies
    alert: Callable[[Event], None]


def alert_of(finding: Finding) -> Event:
    """Return the alert of a finding: `critical` from severity 4.0, `warning` from 2.0."""
    return Event(
        name=_NAMES[finding.check],
        severity=level(finding.severity),
        message=f"{finding.subject}: {finding.message}",
        bot=_bot(finding.bot_id),
        operation_id=finding.operation_id,
        weight=finding.severity,
    )


def _bot(bot_id: str | None) -> BotId | None:
    """What Stripe's metadata call a bot need not be one."""
    try:
        return None if bot_id is None else BotId.parse(bot_id)
    except InvalidRequestError:
        return None
