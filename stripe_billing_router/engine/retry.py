"""How long to wait before the next attempt."""

from __future__ import annotations

import random

from ..ports import Reply

_FIRST = 0.5
_LONGEST = 8.0


def delay(attempt: int, reply: Reply) -> float:
    """Return seconds to wait after attempt number `attempt` (from 0): exponential, with jitter,
    and never less than the `Retry-After` that Stripe asked for."""
    backoff = min(_FIRST * 2.0**attempt, _LONGEST) * random.uniform(0.5, 1.0)
    return max(backoff, reply.retry_after or 0.0)
