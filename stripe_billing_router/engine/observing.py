"""Observers see each call, its requests and what happened. They can fail; they cannot break."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from ..errors import (
    ApprovalRequiredError,
    BillingError,
    InvalidRequestError,
    OperationInProgressError,
    OutcomeUnknownError,
    PaymentActionRequiredError,
    PaymentDeclinedError,
    RateLimitedError,
    StripeRequestError,
    StripeUnavailableError,
)
from ..models import BotId, Operation, OperationState, Result
from ..ports import (
    CallDetails,
    Clock,
    Discrepancy,
    Event,
    Observer,
    Reply,
    Request,
    RequestDetails,
    Transport,
)
from ..secrecy import attempt

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


_log = logging.getLogger(__name__)


class Observers:
    """Every registered observer, told in turn."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = tuple(observers)
        self._followers = tuple(one for one in self._observers if _may_follow(one))

    def tell(self, event: Event) -> None:
        """Tell everybody of something that happened."""
        call = CURRENT.get()
        _tell(self._observers, event.name, lambda: event if call is None else call.heard(event))

    def following(self) -> Following:
        """Return who follows calls now."""
        return Following([(one, _wanted(one)) for one in self._followers])


class Following:
    """Those who follow calls and what each wants, asked once for each call."""

    __slots__ = ("_wants",)

    def __init__(self, wants: Sequence[tuple[Observer, frozenset[str]]]) -> None:
        self._wants = wants

    def tell(self, name: str, event: Callable[[], Event]) -> None:
        """Tell those who want this point of a call; it is described only if somebody does."""
        observers = [one for one, names in self._wants if name in names]
        if observers:
            _tell(observers, name, event)


def _tell(observers: Iterable[Observer], name: str, event: Callable[[], Event]) -> None:
    """Describe an event and tell it; money may have moved by now, so neither may break a call."""
    attempt(_log, f"{name} could not be described", lambda: _hand_out(observers, event()))


def _hand_out(observers: Iterable[Observer], event: Event) -> None:
    for observer in observers:
        failure = f"an observer failed: {type(observer).__name__}"
        attempt(_log, failure, partial(observer.notify, event))


def _may_follow(observer: Observer) -> bool:
    """Say whether it is worth asking: most have no `follows`, and never will."""
    try:
        return hasattr(observer, "follows")
    except Exception:  # noqa: BLE001 - a host's code may raise anything
        return True


def _wanted(observer: Observer) -> frozenset[str]:
    try:
        return frozenset(observer.follows)  # type: ignore[attr-defined]
    except Exception:  # noqa: BLE001 - a host's code may raise anything
        return frozenset()


T = TypeVar("T")

_CALL_NUMBERS: Final = count(1)
"""One for all routers of a process, which may share an observer."""


class Calls:
    """Every call of a verb goes through here. `sandbox`: it is not Stripe itself that answers."""

    def __init__(self, observers: Observers, clock: Clock, *, sandbox: bool) -> None:
        self._observers = observers
        self._clock = clock
        self._sandbox = sandbox

    def run(self, verb: str, bot_id: object, work: Callable[[], T]) -> T:
        """Return what `work` returns; whatever it raises, the call has ended."""
        call = Call(next(_CALL_NUMBERS), verb, _bot(bot_id), self._observers.following().tell)
        began = self._clock.elapsed()
        token = CURRENT.set(call)
        try:
            call.follow("call.began", lambda: call.event("call.began"))
            result = work()
            call.returned(result)
            return self._marked(result)
        except BaseException as error:
            call.raised(error)
            raise
        finally:
            CURRENT.reset(token)
            call.facts["duration"] = self._clock.elapsed() - began
            call.follow("call.ended", lambda: call.event("call.ended"))

    def _marked(self, result: T) -> T:
        if self._sandbox and isinstance(result, Result):
            return replace(result, sandbox=True)
        return result


def _bot(bot_id: object) -> BotId | None:
    try:
        return BotId.parse(bot_id)
    except InvalidRequestError:
        return None


_WORDS: Final = frozenset(
    "v1 account accounts balance balance_transactions charges checkout sessions confirm customers "
    "disputes events expire finalize invoice_payments invoiceitems invoices line_items lines "
    "payment_intents payment_methods pay prices products refunds cancel setup_intents "
    "subscription_items subscriptions void webhook_endpoints".split()
)
"""What may stand in a path beside ids. Whatever else does is taken for an id."""


_REQUEST_NUMBERS: Final = count(1)


class ObservedTransport:
    """Implements `ports.Transport` over another."""

    def __init__(self, provider: Transport, observers: Observers, clock: Clock) -> None:
        self._provider = provider
        self._observers = observers
        self._clock = clock
        self._host = urlsplit(provider.api_base).hostname or ""

    @property
    def api_base(self) -> str:
        return self._provider.api_base

    @property
    def api_version(self) -> str:
        return self._provider.api_version

    @property
    def longest_send(self) -> float:
        return self._provider.longest_send

    def send(self, request: Request) -> Reply:
        sending = _Sending(next(_REQUEST_NUMBERS), self._host, request)
        follow = sending.follow or self._observers.following().tell
        follow("request.began", lambda: sending.event("request.began"))
        began = self._clock.elapsed()
        try:
            sending.reply = self._provider.send(request)
            return sending.reply
        finally:
            sending.duration = self._clock.elapsed() - began
            follow("request.ended", lambda: sending.event("request.ended"))


def template(path: str) -> str:
    """Return a path with `{id}` for every id: few of them, and nobody's."""
    parts = path.partition("?")[0].split("/")
    return "/".join(part if part in _WORDS or not part else "{id}" for part in parts)


class _Sending:
    """One request on its way; described only if somebody wants to know."""

    __slots__ = ("_attempt", "_call", "_host", "_number", "_request", "duration", "follow", "reply")

    def __init__(self, number: int, host: str, request: Request) -> None:
        self._number, self._host, self._request = number, host, request
        self._call = CURRENT.get()
        self._attempt = 1 if self._call is None else self._call.sends(request)
        self.follow = None if self._call is None else self._call.follow
        self.reply: Reply | None = None
        self.duration = 0.0

    def event(self, name: str) -> Event:
        details = self._details()
        if self._call is None:
            return Event(name, "info", details.template, request=details)
        return replace(self._call.event(name), request=details)

    def _details(self) -> RequestDetails:
        request = self._request
        return RequestDetails(
            self._number,
            request.method,
            template(request.path),
            self._host,
            request.step,
            self._attempt,
            duration=self.duration,
            **_answer_of(self.reply),
        )


def _answer_of(reply: Reply | None) -> dict[str, Any]:
    if reply is None:
        return {}
    return {
        "kind": reply.kind,
        "status": reply.status,
        "request_id": reply.request_id,
        "replayed": reply.replayed,
    }
