"""Billing periods on the calendar."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime, timedelta

_MONTHS = {"month": 1, "year": 12}
_DAYS = {"day": 1, "week": 7}


def period_end(start: int, interval: str, count: int) -> int:
    """Return when a period that starts at `start` ends; both in seconds since the epoch.

    A month later is the same day of the next month, or its last day.
    """
    begin = datetime.fromtimestamp(start, UTC)
    if interval in _DAYS:
        return int((begin + timedelta(days=_DAYS[interval] * count)).timestamp())
    months = begin.year * 12 + begin.month - 1 + _MONTHS[interval] * count
    year, month = divmod(months, 12)
    day = min(begin.day, calendar.monthrange(year, month + 1)[1])
    return int(begin.replace(year=year, month=month + 1, day=day).timestamp())
