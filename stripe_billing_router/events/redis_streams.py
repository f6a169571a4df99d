"""Billing events in a Redis stream. Needs the extra `redis`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ..errors import ConfigurationError
from ..models import BillingEvent

try:
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry
except ImportError:
    raise ConfigurationError(
        "Events in Redis need the extra `redis`: install stripe-billing-router[redis]."
    ) from None

_TIMEOUT = 5.0


class RedisStreamsSink:
    """Adds every event to the Redis stream `stream`, fields as text, without those that are None.

    An event may be added twice; consumers drop an `id` that they know, or a `sequence` that is
    not above the last of its `bot_id`. `maxlen` keeps about that many entries. A connection that
    was cut is made anew. `name` tells the cursor of this sink from those of others.
    """

    def __init__(
        self,
        url: str,
        stream: str = "stripe:billing_events",
        *,
        maxlen: int | None = None,
        name: str | None = None,
    ) -> None:
        self.name = name or f"redis:{stream}"[:64]
        self._stream = stream
        self._maxlen = maxlen
        self._redis = _client(url)

    def send(self, events: Sequence[BillingEvent]) -> None:
        """Add the events in one transaction; raises redis.RedisError if they are not taken."""
        pipeline = self._redis.pipeline(transaction=True)
        for event in events:
            pipeline.xadd(self._stream, _fields(event), maxlen=self._maxlen, approximate=True)
        pipeline.execute()

    def close(self) -> None:
        """Close connections; the next `send` opens them again."""
        self._redis.close()

    def __repr__(self) -> str:
        return f"RedisStreamsSink(name={self.name!r})"


def _client(url: str) -> Any:
    try:
        return redis.Redis.from_url(
            url,
            socket_timeout=_TIMEOUT,
            socket_connect_timeout=_TIMEOUT,
            retry=Retry(NoBackoff(), 0),  # the pump tries again, and knows for how long to rest
            client_name="stripe-billing-router",
        )
    except ValueError:
        raise ConfigurationError(
            "The URL of Redis cannot be used. Write it as redis://HOST:PORT/NUMBER or "
            "rediss://…, and keep it in a variable of the environment."
        ) from None


def _fields(event: BillingEvent) -> dict[Any, Any]:
    found = {**asdict(event), "error": int(event.error)}
    return {name: str(value) for name, value in found.items() if value is not None}
