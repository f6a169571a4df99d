"""Failed checks as people work on them: opened, acknowledged, resolved."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from ..frozen import frozen


class DiscrepancyState(StrEnum):
    """How far people have come with a discrepancy. `str` values are what the database holds."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


@frozen
class DiscrepancyRecord:
    """A row of `stripe_discrepancies`. Times are milliseconds since the epoch.

    `kind` is `key`, `route_account`, `key_account`, `destination`, `escalated` or `proven`.
    `account_id` is the real foreign account, as far as it is known; `count` says how often the
    same was found from `opened_ms` to `last_seen_ms`.
    """

    id: str
    kind: str
    bot_id: str | None
    account_id: str | None
    expected_account_id: str | None
    operation_id: str | None
    details: Mapping[str, Any]
    state: DiscrepancyState
    count: int
    opened_ms: int
    last_seen_ms: int
    acknowledged_by: str | None
    acknowledged_ms: int | None
    resolved_by: str | None
    resolved_ms: int | None
    note: str | None
