"""Would a call pass, and what is left of its limits? Nothing is taken and nothing is sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from ..errors import BillingError
from ..models import AppliedLimit, BotId, Policies, Reservation, window_start_ms
from ..money import to_major
from ..policy import Demands, Facts, Limit, demands, limits, over_limit
from ..ports import Guard, Store


class Forecast:
    """Asks guards and rules as a call would."""

    def __init__(self, policies: Policies, store: Store, guards: Sequence[Guard]) -> None:
        self._policies = policies
        self._store = store
        self._guards = guards

    def limits(self, bot: BotId, verb: str, region: str) -> tuple[AppliedLimit, ...]:
        """Return every limit that applies; what is left is None if it cannot be read."""
        found = limits(self._policies, bot, verb, region)
        return tuple(self._applied(limit) for limit in found)

    def refusals(self, facts: Facts) -> tuple[tuple[str, ...], str | None]:
        """Return why the call would be refused, and the rule that would have a person asked.

        An amount that is not known is taken for the smallest.
        """
        reasons: list[str] = []
        for guard in self._guards:
            _collect(reasons, lambda guard=guard: guard.check_bot(facts.bot))  # type: ignore[misc]
        demanded: list[Demands] = []
        _collect(reasons, lambda: demanded.append(demands(self._policies, facts)))
        for part in demanded[0].reservations if demanded else ():
            _collect(reasons, lambda part=part: self._check_room(part))  # type: ignore[misc]
        return tuple(reasons), demanded[0].approval if demanded else None

    def _applied(self, limit: Limit) -> AppliedLimit:
        return AppliedLimit(
            limit.rule, limit.what, limit.limit, self._left(limit), limit.currency, limit.window
        )

    def _left(self, limit: Limit) -> Decimal | int | None:
        if limit.counter is None or limit.window is None or isinstance(limit.limit, tuple | None):
            return None
        try:
            used = self._used(limit.counter, window_start_ms(limit.window, self._store.now_ms()))
        except BillingError:
            return None
        taken = used if limit.currency is None else to_major(used, limit.currency)
        return max(limit.limit - taken, 0 * limit.limit)

    def _check_room(self, part: Reservation) -> None:
        used = self._used(part.counter, window_start_ms(part.per, self._store.now_ms()))
        if part.kind != "restore" and used + part.amount > part.limit:
            raise over_limit(part, max(0, part.limit - used))

    def _used(self, counter: str, start_ms: int) -> int:
        found = self._store.budgets([counter], starts_ms=[start_ms])
        return sum(usage.used for usage in found)


def _collect(reasons: list[str], check: Callable[[], object]) -> None:
    try:
        check()
    except BillingError as error:
        reasons.append(str(error))
