"""One call of a verb while it runs: what is noted of it for those who follow calls."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, Final

from ..errors import (
    ApprovalRequiredError,
    BillingError,
    OperationInProgressError,
    OutcomeUnknownError,
    PaymentActionRequiredError,
    PaymentDeclinedError,
    RateLimitedError,
    StripeRequestError,
    StripeUnavailableError,
)
from ..models import BotId, Operation, OperationState
from ..ports import CallDetails, Discrepancy, Event, Request

Follow = Callable[[str, Callable[[], Event]], None]

REFUSED: Final = "refused"
_REASONS: Final = ("rule", "decline_code", "code")
_STATES: Final[tuple[tuple[type[BillingError], OperationState], ...]] = (
    (PaymentDeclinedError, OperationState.FAILED),
    (StripeRequestError, OperationState.FAILED),
    (PaymentActionRequiredError, OperationState.REQUIRES_ACTION),
    (ApprovalRequiredError, OperationState.AWAITING_APPROVAL),
    (OutcomeUnknownError, OperationState.UNKNOWN),
    (OperationInProgressError, OperationState.PENDING),
    (StripeUnavailableError, OperationState.ABANDONED),
    (RateLimitedError, OperationState.ABANDONED),
)


class Call:
    """Notes cheaply; a description is made only for who wants one."""

    __slots__ = ("_attempt", "_is_open", "_last", "asked", "facts", "follow")

    def __init__(self, number: int, verb: str, bot: BotId | None, follow: Follow) -> None:
        self.facts: dict[str, Any] = {"number": number, "verb": verb, "bot": bot, "requests": 0}
        self.follow = follow
        self.asked: tuple[str | None, str | None] = (None, None)
        self._last: Request | None = None
        self._attempt = 0
        self._is_open = False

    def event(self, name: str) -> Event:
        """Return an event of this call's course."""
        call = CallDetails(**self.facts)
        return Event(name, "info", call.verb, call.bot, call.verb, call.operation_id, call=call)

    def about(self, operation: Operation, *, again: bool) -> None:
        """Note which operation the call is about; `again`: it was there before."""
        self.facts |= {
            "bot": operation.bot,
            "region": operation.region,
            "amount_minor": operation.amount_minor,
            "currency": operation.currency,
            "replayed": again,
        }
        if again:
            self.facts["operation_id"] = operation.operation_id

    def opened(self, operation: Operation) -> None:
        """Note that the operation's intent is durable."""
        self._is_open = True
        self.facts["operation_id"] = operation.operation_id
        self.follow("operation.opened", lambda: self.event("operation.opened"))

    def sends(self, request: Request) -> int:
        """Count a request; return which attempt at it this is."""
        facts, before = self.facts, self._last
        again = before is not None and _same(before, request)
        self._attempt, self._last = self._attempt + 1 if again else 1, request
        facts["requests"] += 1
        facts["retries"] = facts.get("retries", 0) + again
        if request.method != "get":
            facts["replayed"] = False
        return self._attempt

    def heard(self, event: Event) -> Event:
        """Return what was told during this call as an event of it."""
        outcome = event.outcome
        self.facts["bot"] = self.facts["bot"] or event.bot  # `cancel` is not told whose it is
        if outcome is not None:
            self.facts |= {
                "amount_minor": outcome.amount_minor,
                "currency": outcome.currency,
                "replayed": False,
            }
        return replace(event, call=CallDetails(**self.facts))

    def returned(self, result: Any) -> None:
        """Note the result; a balance, which moves no money, has no state."""
        self.facts["state"] = getattr(result, "state", None) or str(OperationState.SUCCEEDED)
        self.facts["operation_id"] = getattr(result, "operation_id", None)

    def raised(self, error: BaseException) -> None:
        """Note in which error the call ends."""
        self.facts |= {"error": type(error).__name__, "state": self._state(error)}
        if isinstance(error, BillingError):
            self.facts |= {"money": error.money, "reason": _reason(error)}
            if error.operation_id is not None:
                self.facts["operation_id"] = error.operation_id

    def _state(self, error: BaseException) -> str:
        for kind, state in _STATES:
            if isinstance(error, kind):
                return str(state)
        if not isinstance(error, BillingError):
            return str(OperationState.UNKNOWN) if self._is_open else REFUSED
        return str(OperationState.SUCCEEDED) if error.money == "moved" else REFUSED


CURRENT: ContextVar[Call | None] = ContextVar("stripe_billing_router_call", default=None)
"""The call that this thread or task is in."""


def about(operation: Operation, *, again: bool = False) -> None:
    """Note what the present call, if there is one, is about."""
    call = CURRENT.get()
    if call is not None:
        call.about(operation, again=again)


def asks(amount: str | None, currency: str | None) -> None:
    """Note what the present call asks for, before anything is planned: major units, and the
    route's currency."""
    call = CURRENT.get()
    if call is not None:
        call.asked = amount, currency


def described(discrepancy: Discrepancy) -> Discrepancy:
    """Return a failed check with what the present call, if there is one, was about."""
    call = CURRENT.get()
    if call is None or discrepancy.verb is not None:
        return discrepancy
    amount, currency = call.asked
    return replace(discrepancy, verb=call.facts["verb"], amount=amount, currency=currency)


def opened(operation: Operation) -> None:
    """Note that the present call's intent is durable."""
    call = CURRENT.get()
    if call is not None:
        call.opened(operation)


def _same(before: Request, request: Request) -> bool:
    """A step is sent again with the same key; a read, as the very same request."""
    if request.method == "get":
        return request is before
    return (request.path, request.idempotency_key) == (before.path, before.idempotency_key)


def _reason(error: BillingError) -> str | None:
    found = (getattr(error, name, None) for name in _REASONS)
    return next((str(one) for one in found if one), None)
