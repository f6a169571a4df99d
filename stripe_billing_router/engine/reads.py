"""Requests that may be sent any number of times: retried a little, never guessed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ..errors import (
    KeyConfigurationError,
    RateLimitedError,
    StripeRequestError,
    StripeUnavailableError,
)
from ..ports import Clock, KeyProvider, Keys, PaymentProvider, Reply, Request
from .retry import delay
from .runner import rotated

T = TypeVar("T")

_ATTEMPTS = 3
_LONGEST_WAIT = 10.0


class Reader:
    """Reads from the payment provider, and sends what is safe to repeat."""

    def __init__(self, provider: PaymentProvider, clock: Clock) -> None:
        self._provider = provider
        self._clock = clock

    def get(
        self, path: str, secret_key: str, expects: str, params: Mapping[str, Any] | None = None
    ) -> Reply:
        """Return Stripe's answer, of any status below 500 but 429.

        Raises StripeUnavailableError or RateLimitedError where there is none.
        """
        version = self._provider.api_version
        return self.ask(Request("get", path, params or {}, secret_key, version, expects))

    def ask(self, request: Request) -> Reply:
        """Return Stripe's answer to a request that may be sent any number of times."""
        for attempt in range(_ATTEMPTS):
            reply = self._provider.send(request)
            if _answered(reply):
                return reply
            wait = delay(attempt, reply)
            if attempt == _ATTEMPTS - 1 or wait > _LONGEST_WAIT:
                break
            self._clock.sleep(wait)
        raise _unavailable(reply)

    def now_ms(self, secret_key: str) -> int | None:
        """Return the time by Stripe's own clock, or None if it does not say."""
        return self.get("/v1/account", secret_key, "account").date_ms


def with_keys(keys: KeyProvider, read: Callable[[Keys], T]) -> T:
    """Return what `read` finds with the keys in force, or with new ones if Stripe refuses these."""
    used = keys.keys()
    try:
        return read(used)
    except (KeyConfigurationError, StripeRequestError) as error:
        fresh = rotated(keys, used) if _refuses_the_key(error) else None
        if fresh is None:
            raise
    return read(fresh)


def _refuses_the_key(error: KeyConfigurationError | StripeRequestError) -> bool:
    if isinstance(error, StripeRequestError):
        return error.http_status == 401
    return error.reason == "refused_by_stripe"


def _answered(reply: Reply) -> bool:
    status = reply.status or 0
    return reply.kind == "answered" and status not in (409, 429) and status < 500


def _unavailable(reply: Reply) -> RateLimitedError | StripeUnavailableError:
    if reply.status == 429:
        return RateLimitedError(
            "Stripe asks to slow down; nothing was sent. Repeat the call in a while.",
            retry_after=reply.retry_after,
            request_id=reply.request_id,
        )
    return StripeUnavailableError(
        f"Stripe could not be read ({reply.note or reply.status}); nothing was collected by this. "
        "Check the network and https://status.stripe.com, then repeat the call.",
        http_status=reply.status,
        request_id=reply.request_id,
    )
