"""Sums by day and currency, as they come by: they grow with the days of a window, nothing else.

Both sides of a payment count on the day on which Stripe shows it, so that neither clocks nor
midnight make a difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache

from .cases import Claim, Takings
from .movements import Movement

_LEDGER, _STRIPE, _EXPLAINED = range(3)


class Sums:
    """What ledger and Stripe say was taken, less what was given back, in minor units."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str], list[int]] = {}

    def add(self, movement: Movement) -> None:
        """Count a charge or a refund, and what the ledger has for it.

        Renewals count on neither side: Stripe collects them, and the ledger has no entries of
        them. Charges that failed were never taken.
        """
        shown = movement.shown
        if shown.kind == "failure" or not movement.settled or shown.currency is None:
            return
        sign = -1 if shown.kind == "refund" else 1
        stripe, recorded = sign * shown.collected_minor, movement.recorded
        self._count(shown.created_ms, shown.currency, _STRIPE, stripe)
        for entry in recorded:
            ledger = sign * (entry.amount_minor or 0)
            self._count(shown.created_ms, entry.currency or "", _LEDGER, ledger)
            if len(recorded) == 1:
                self._count(shown.created_ms, entry.currency or "", _EXPLAINED, -ledger)
        if len(recorded) < 2:
            self._count(shown.created_ms, shown.currency, _EXPLAINED, stripe)

    def add_orphan(self, claim: Claim) -> None:
        """Count an entry that Stripe knows nothing of."""
        entry = claim.entry
        amount = (-1 if entry.moves == "out" else 1) * (entry.amount_minor or 0)
        self._count(entry.timestamp_ms, entry.currency or "", _LEDGER, amount)
        self._count(entry.timestamp_ms, entry.currency or "", _EXPLAINED, -amount)

    def days(self) -> Iterator[Takings]:
        """Yield the sums, the oldest day first."""
        for (day, currency), sums in sorted(self._sums.items()):
            yield Takings(day, currency, *sums)

    def _count(self, at_ms: int, currency: str, which: int, amount: int) -> None:
        if amount:
            day = _day(at_ms // 86_400_000)
            self._sums.setdefault((day, currency), [0, 0, 0])[which] += amount


@lru_cache(maxsize=4096)
def _day(number: int) -> str:
    """Return a day since the epoch as `2026-11-20`."""
    return datetime.fromtimestamp(number * 86_400, UTC).date().isoformat()
