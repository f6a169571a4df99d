"""What waits to be delivered to one webhook endpoint, and when."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field, replace

from .delivery_plan import RETRIED_AFTER, DeliveryPlan


@dataclass(frozen=True, slots=True, order=True)
class Attempt:
    """One delivery of one event: `number` counts from 0, `at_ms` is when it is due, or was made."""

    at_ms: int
    place: float
    event_id: str = field(compare=False)
    number: int = field(compare=False)


class Mailbox:
    """The deliveries that an endpoint has yet to get. The accounts' lock guards it."""

    def __init__(self, endpoint_id: str, plan: DeliveryPlan | None = None) -> None:
        self._endpoint_id = endpoint_id
        self._waiting: list[Attempt] = []
        self._posted = 0
        self._owed: dict[str, None] = {}
        self.follow(plan or DeliveryPlan())

    def follow(self, plan: DeliveryPlan) -> None:
        """Let a plan decide from now on."""
        self._plan = plan
        self._random = random.Random(f"{plan.seed}/{self._endpoint_id}")

    def post(self, event_id: str, now_ms: int) -> None:
        """Queue a new event."""
        self._posted += 1
        self._owed[event_id] = None
        if self._happens(self._plan.lose):
            return
        for _ in range(2 if self._happens(self._plan.duplicate) else 1):
            late_ms = round(self._random.uniform(0, self._plan.delay) * 1000)
            self._add(Attempt(now_ms + late_ms, self._place(), event_id, 0))

    def next_at_ms(self) -> int | None:
        """Return when the next attempt is due, None if nothing waits."""
        return self._waiting[0].at_ms if self._waiting else None

    def take(self, now_ms: int) -> Attempt | None:
        """Return the next attempt that is due and arrives; what is dropped is queued again."""
        while self._waiting and self._waiting[0].at_ms <= now_ms:
            attempt = replace(heapq.heappop(self._waiting), at_ms=now_ms)
            if not self._happens(self._plan.drop):
                return attempt
            self.failed(attempt)
        return None

    def answered(self, attempt: Attempt) -> None:
        """Note that the receiver said 2xx; if the plan loses that, the event comes again."""
        if self._happens(self._plan.repeat):
            self.failed(attempt)
        else:
            self._owed.pop(attempt.event_id, None)

    def failed(self, attempt: Attempt) -> None:
        """Queue an attempt again that nobody answered well, or give up after three days."""
        if attempt.number < len(RETRIED_AFTER):
            at_ms = attempt.at_ms + RETRIED_AFTER[attempt.number] * 1000
            self._add(Attempt(at_ms, self._place(), attempt.event_id, attempt.number + 1))

    def owes(self, event_id: str) -> bool:
        """Whether an event was posted and no 2xx for it came back yet."""
        return event_id in self._owed

    def given_up(self) -> list[str]:
        """Return the events that were not delivered and never will be, in order."""
        waiting = {attempt.event_id for attempt in self._waiting}
        return [event_id for event_id in self._owed if event_id not in waiting]

    def _add(self, attempt: Attempt) -> None:
        heapq.heappush(self._waiting, attempt)

    def _place(self) -> float:
        return self._posted + self._random.uniform(0, self._plan.shuffle)

    def _happens(self, chance: float) -> bool:
        return self._random.random() < chance
