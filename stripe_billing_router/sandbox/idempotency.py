"""Stripe's idempotency rules: one key, one request, one answer, for a day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .clock import DAY
from .failures import StripeFailure, error_object, invalid
from .wire import HttpResponse

_LONGEST_KEY = 255


@dataclass(slots=True)
class Slot:
    """What one key was used for. `response` is None while the request is being executed."""

    path: str
    params: Any
    since: int
    response: HttpResponse | None = None


class IdempotencyKeys:
    """The keys of one account. Not thread-safe by itself: the world's lock guards it."""

    def __init__(self) -> None:
        self._slots: dict[str, Slot] = {}

    def find(self, key: str, path: str, params: Any, now: int) -> Slot | None:
        """Return the finished slot of a key to replay, or None if the key is free.

        StripeFailure: 400 for a key that was used for something else, 409 while it is in use.
        """
        if len(key) > _LONGEST_KEY:
            raise invalid(f"Idempotency keys have at most {_LONGEST_KEY} characters.")
        slot = self._kept(key, now)
        if slot is None:
            return None
        if slot.response is None:
            raise in_use(key)
        _same(slot, key, path, params)
        return slot

    def reserve(self, key: str, path: str, params: Any, now: int) -> Slot:
        """Mark a free key as in use."""
        self._slots[key] = slot = Slot(path, params, now)
        return slot

    def release(self, key: str) -> None:
        """Forget a key whose request did not begin executing."""
        self._slots.pop(key, None)

    def _kept(self, key: str, now: int) -> Slot | None:
        slot = self._slots.get(key)
        if slot and slot.response and now - slot.since >= DAY:
            del self._slots[key]
            return None
        return slot


def in_use(key: str) -> StripeFailure:
    """The 409 for a key whose first request is still being executed."""
    error = error_object(
        "There is currently another in-progress request using this Stripe idempotency key "
        f"('{key}'). Please try again later.",
        "idempotency_error",
        code="idempotency_key_in_use",
    )
    return StripeFailure(409, error)


def _same(slot: Slot, key: str, path: str, params: Any) -> None:
    if slot.path != path:
        what = f"for the same endpoint they were first used for ('{slot.path}' vs '{path}')"
    elif slot.params != params:
        what = "with the same parameters they were first used with"
    else:
        return
    message = f"Keys for idempotent requests can only be used {what}. Use a key other than '{key}'."
    raise StripeFailure(400, error_object(message, "idempotency_error"))
