"""What the engine needs of the world: one small Protocol for each need.

Adapters live on the floor above; the engine on the floor above those knows only these.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal, Protocol

from .frozen import frozen
from .models import (
    Approval,
    ApprovalState,
    Balance,
    BillingEvent,
    BotId,
    Call,
    Freeze,
    LedgerEntry,
    Operation,
    OperationState,
    Outcome,
    Plan,
    ResolvedRoute,
    Route,
    RouteKey,
    Step,
    StepOutput,
    Usage,
    Verb,
    Write,
)
from .secrecy import Secret, Unpicklable


class Clock(Protocol):
    """Time. `now_ms` is the wall clock; `elapsed` counts seconds, also while the host sleeps."""

    def now_ms(self) -> int: ...
    def elapsed(self) -> float: ...
    def sleep(self, seconds: float) -> None: ...


@dataclass(frozen=True, slots=True, repr=False)
class Keys(Unpicklable):
    """The keys in force. `allowed` are `sha256:` fingerprints; `accounts` pins some to accounts.

    The secret key leaves it as an attribute only: it is not pickled, copied or shown.
    """

    secret_key: str
    public_key: str | None
    allowed: frozenset[str]
    source: str
    accounts: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "secret_key", Secret(self.secret_key))

    def __repr__(self) -> str:
        return f"Keys(source={self.source!r})"


class KeyProvider(Protocol):
    """Where keys come from. Raises KeyConfigurationError or KeyProviderUnavailableError."""

    def keys(self) -> Keys: ...
    def refresh(self) -> None:
        """Forget what is cached: Stripe has refused the key, it may have been rotated."""
        ...


@frozen
class Request(Unpicklable):
    """One request to the payment provider; the key travels with the call, and no further."""

    method: Literal["post", "get", "delete"]
    path: str
    params: Mapping[str, Any]
    secret_key: str = field(repr=False)
    api_version: str
    expects: str
    idempotency_key: str | None = None
    step: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "secret_key", Secret(self.secret_key))


@frozen
class Reply:
    """What one attempt gave.

    `kind`: `answered` (a definite answer of the provider, of any status), `not_sent` (no
    connection was made, so nothing can have been executed) or `indeterminate` (the effect may
    exist: cut connection, timeout, an answer that is not the provider's).
    """

    kind: Literal["answered", "not_sent", "indeterminate"]
    status: int | None = None
    body: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    request_id: str | None = None
    replayed: bool = False
    should_retry: bool | None = None
    retry_after: float | None = None
    date_ms: int | None = None

    def wait(self, attempt: int) -> float:
        """Return seconds to wait after attempt number `attempt` (from 0): exponential, with jitter,
        and never less than what the provider asked for."""
        backoff = min(_FIRST_WAIT * 2.0**attempt, _LONGEST_WAIT) * random.uniform(0.5, 1.0)
        return max(backoff, self.retry_after or 0.0)


_FIRST_WAIT = 0.5
_LONGEST_WAIT = 8.0


class Transport(Protocol):
    """What carries requests to a provider, and never raises for what becomes of them on the way."""

    @property
    def api_base(self) -> str: ...
    @property
    def api_version(self) -> str: ...
    @property
    def longest_send(self) -> float:
        """Seconds after which `send` has come back, whatever happened."""
        ...

    def send(self, request: Request) -> Reply: ...


class Verdict(Enum):
    """`SETTLED`: a definite answer. `AGAIN`: retry with the same key, nothing executed. `DOUBT`:
    retry with the same key, the effect may exist. `STOP`: the same, and no retry helps."""

    SETTLED = "settled"
    AGAIN = "again"
    DOUBT = "doubt"
    STOP = "stop"


@frozen
class Page:
    """One page of a list, the newest first. The next begins after the id `next_after`, if any."""

    items: tuple[Mapping[str, Any], ...]
    next_after: str | None


@frozen
class Age:
    """How old an operation is, in milliseconds: at least, and at most."""

    least_ms: int
    most_ms: int


class Provider(Protocol):
    """A payment provider: what it plans for each verb, how that is sent, and what comes back means.

    The engine knows nothing else of it. What has no HTTP, keys or lists of its own says so: it
    names no account, or finds nothing.
    """

    @property
    def verbs(self) -> Mapping[str, Verb]:
        """The verbs that it can do, each as it does it."""
        ...

    @property
    def api_version(self) -> str:
        """By which operations name it, and the version of it that their steps are written for."""
        ...

    @property
    def longest_send(self) -> float:
        """Seconds after which `send` has come back, whatever happened."""
        ...

    @property
    def sendable_for_ms(self) -> int:
        """How long after its first send a request may be sent again under the same key."""
        ...

    def plan(self, call: Call, route: ResolvedRoute, keys: Keys, *, limited: bool) -> Plan:
        """Return what a call is going to send; it is only read for that. `limited`: what may be
        collected has a limit, so that it has to be known before it is."""
        ...

    def stamped(self, plan: Plan, operation_id: str, bot: BotId) -> tuple[Step, ...]:
        """Return the plan's steps, to be stored and sent: what they create bears these names."""
        ...

    def check_step(
        self, operation: Operation, step: Step, path: str, params: Mapping[str, Any]
    ) -> None:
        """Raise ForeignStep for a stored step that the operation's verb would never plan."""
        ...

    def send(self, request: Request) -> Reply:
        """Send once. Never raises for what the network or the provider does."""
        ...

    def ask(self, request: Request) -> Reply:
        """Return the answer to a request that may be sent any number of times.

        Raises StripeUnavailableError or RateLimitedError where there is none.
        """
        ...

    def verdict(self, reply: Reply, *, in_doubt: bool) -> Verdict:
        """Judge a reply. `in_doubt`: an earlier attempt may have had its effect."""
        ...

    def strange(
        self, operation: Operation, step: Step, request: Request, reply: Reply
    ) -> str | None:
        """Return the field by which an answer is about something else; None if it fits."""
        ...

    def due(self, operation: Operation, found: Step | Outcome) -> int | None:
        """Return minor units that a step is going to collect, or that an outcome lets a customer
        pay; None where only the answer tells."""
        ...

    def forget(self, operation: Operation) -> None:
        """Drop what was remembered for an operation that failed: it may be out of date."""
        ...

    def account_of(self, keys: Keys) -> tuple[str, int | None]:
        """Return the account behind a key and the time by the provider's clock, if it says.

        Raises KeyConfigurationError, StripeUnavailableError or RateLimitedError.
        """
        ...

    def now_ms(self, keys: Keys) -> int | None:
        """Return the time by the provider's own clock, or None if it has none, or does not say."""
        ...

    def found(self, operation: Operation, keys: Keys, *, proven: bool = True) -> StepOutput | None:
        """Look up what an operation has left, completely. Unless its row is `proven`, what it says
        that was asked for is no measure. Raises Escalated or OutcomeInDoubt."""
        ...

    def left(self, operation: Operation, keys: Keys, age: Age) -> StepOutput | None:
        """Return what an operation has left; None if there is nothing, and can be no more.

        Raises Escalated or OutcomeInDoubt where that cannot be known.
        """
        ...

    def renewal(self, payment_id: str, keys: Keys) -> tuple[str, int, str] | None:
        """Return what a payment renews, what it collected in minor units, and its currency; None if
        it is nobody's renewal."""
        ...

    def close(self) -> None: ...


class Books(Protocol):
    """What an account holds. Raises a BillingError for what cannot be read."""

    def balance(self, keys: Keys) -> Balance:
        """Return what is available and pending, per currency."""
        ...

    def page(
        self, kind: str, keys: Keys, query: Mapping[str, Any], after: str | None = None
    ) -> Page:
        """Return a page of the objects of a kind, such as `charges`."""
        ...

    def one(
        self, kind: str, object_id: str, keys: Keys, expand: Sequence[str] = ()
    ) -> Mapping[str, Any] | None:
        """Return an object, None if there is none; of one that was deleted, that it was."""
        ...

    def event_query(
        self, event_types: object, created: object, params: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Return the query for `page` that lists events as a caller asks; InvalidRequestError if it
        cannot be asked for so."""
        ...


class WebhookReader(Protocol):
    """How what a provider tells by itself is read."""

    def accounts_of(self, event: object, *, metadata: bool = True) -> list[str]:
        """Return every account that an event names, those in its `metadata` last, or not at all.

        An empty list means the platform's own. WebhookError for a shape that is never sent.
        """
        ...

    def is_signed(self, payload: bytes, header: str, secret: str) -> bool:
        """Say whether the provider signed it. Never raises; looks at no time."""
        ...


class DuplicateOperation(Exception):
    """The operation id exists already."""


class TwinInDoubt(Exception):
    """An equal keyless operation is in doubt, waits, or was settled without its caller.

    `args` are its operation id and its state.
    """


class StaleLease(Exception):
    """The row is not what the writer believed: another holds it, or its state has moved on."""


class BudgetExceeded(Exception):
    """A reservation does not fit into what is left; `args` are it and what is left of its limit."""


class ApprovalNotGiven(Exception):
    """An approval is not approved (any more), has expired, or is for another effect."""


class CommitAmbiguous(Exception):
    """The database broke off during COMMIT: the writes may or may not be there."""


@frozen
class Proof:
    """Which parts of a stored operation bear the seal of somebody who holds a key.

    `intent` is who asked for what, its plan and its time; `outputs` what its steps gave (nothing
    needs no seal); `outcome` its state and what it came to. `awaited`: the intent waits for a
    person's approval, so that nothing has been sent for it. The rest anybody may have written who
    can write to the database.
    """

    intent: bool
    outputs: bool
    outcome: bool
    awaited: bool = False

    @property
    def may_be_sent(self) -> bool:
        """Whether its plan may be gone on with."""
        return self.intent and self.outputs and not self.awaited

    @property
    def may_be_told(self) -> bool:
        """Whether what it came to may be believed."""
        return self.intent and self.outcome


class Store(Protocol):
    """The durable memory. Raises LedgerUnavailableError when it cannot be reached."""

    def commit(self, *writes: Write) -> None:
        """Do all writes in one durable transaction, or none (the signals above say why not)."""
        ...

    def operation(self, operation_id: str) -> Operation | None: ...
    def operations(
        self,
        *,
        states: Iterable[OperationState] | None = None,
        bot_id: str | None = None,
        limit: int = 100,
        newest_first: bool = True,
        after: tuple[int, str] | None = None,
    ) -> list[Operation]:
        """Return a page of operations; `after` is `(created_ms, operation_id)` of the last one."""
        ...

    def proof(self, operation: Operation) -> Proof:
        """Return what is proven of an operation as it was read; reads nothing."""
        ...

    def operation_of(self, stripe_id: str) -> str | None:
        """Return the operation that the ledger's entries with this Stripe id belong to, or None:
        of several, the one that made it, as far as that is proven."""
        ...

    def maker_of(self, stripe_id: str) -> Operation | None:
        """Return the operation whose sealed outcome is this object, or None: every bot may add
        entries that name another."""
        ...

    def told_of(self, operation: Operation) -> frozenset[str]:
        """Return every status that the ledger's entries of an operation, in its bot's stream, have
        told of it."""
        ...

    def payments(self, stripe_id: str, bot_id: str) -> list[LedgerEntry]:
        """Return the bot's ledger entries with this Stripe id; else those that mention it."""
        ...

    def freezes(self, scopes: Sequence[str] | None = None) -> list[Freeze]:
        """Return the freezes in force, the oldest first; of these scopes only, unless None."""
        ...

    def approvals(
        self,
        *,
        approval_id: str | None = None,
        operation_id: str | None = None,
        bot_id: str | None = None,
        input_hash: str | None = None,
        states: Iterable[ApprovalState] | None = None,
        limit: int = 100,
    ) -> list[Approval]:
        """Return approvals, the newest first; one whose time is over reads as expired."""
        ...

    def budgets(
        self, counters: Sequence[str] | None = None, *, starts_ms: Sequence[int] | None = None
    ) -> list[Usage]:
        """Return what is used of counters, in windows that began at `starts_ms`, the newest window
        first; of all, if None."""
        ...

    def now_ms(self) -> int:
        """The time by which leases are kept, and windows begin."""
        ...


class Routes(Protocol):
    """The routing table."""

    @property
    def routes(self) -> Mapping[RouteKey, Route]: ...
    def resolve(self, bot: BotId, overrides: Mapping[str, str]) -> ResolvedRoute: ...


@frozen
class Intent:
    """What is about to be done, for those who may veto it."""

    bot: BotId
    verb: str
    region: str
    route: Route
    amount_minor: int | None
    currency: str | None


class Guard(Protocol):
    """A check that may veto a call, and every resend of it, by raising a BillingError."""

    def check_bot(self, bot: BotId) -> None:
        """Called before the route is known: is this bot stopped?"""
        ...

    def check_intent(self, intent: Intent) -> Sequence[Write]:
        """Called with the whole intent; returns writes that belong into the intent's commit."""
        ...


@frozen
class Discrepancy:
    """A failed check of key, account or destination; `amount` is in major units, as far as it was
    known by then."""

    bot: BotId | None
    kind: Literal["key", "route_account", "key_account", "destination", "event_account"]
    account_id: str | None
    expected_account_id: str
    operation_id: str | None = None
    verb: str | None = None
    amount: str | None = None
    currency: str | None = None


class Reaction(Protocol):
    """One consequence of a discrepancy. Each runs even if another fails."""

    def react(self, discrepancy: Discrepancy) -> None: ...


@frozen
class CallDetails:
    """One call of a verb; nothing in it names a customer.

    `number` tells it from the process's other calls. The rest is known when it has ended: `state`
    is the operation's, or `refused` where nothing was begun; `error` is the class of what was
    raised, `money` what that says of the money, and `reason` the rule that refused or the code of
    a decline. `duration` is in seconds. `requests` counts what was sent, `retries` what of it was
    sent again. `replayed`: the result was known, and no step was sent.
    """

    number: int
    verb: str
    bot: BotId | None = None
    region: str | None = None
    operation_id: str | None = None
    state: str | None = None
    error: str | None = None
    reason: str | None = None
    money: str | None = None
    amount_minor: int | None = None
    currency: str | None = None
    duration: float = 0.0
    requests: int = 0
    retries: int = 0
    replayed: bool = False


@frozen
class RequestDetails:
    """One request; `template` is its path with `{id}` for every id, `host` where it goes.

    `attempt` counts from 1. When it has ended, `kind` is its Reply's (None: it was interrupted),
    and `duration` is in seconds.
    """

    number: int
    method: str
    template: str
    host: str
    step: str | None = None
    attempt: int = 1
    kind: str | None = None
    status: int | None = None
    request_id: str | None = None
    replayed: bool = False
    duration: float = 0.0


@frozen
class Event:
    """Something that observers may want to know. `name` is dotted, such as `operation.closed`.

    `weight`, from 0 to 5, says how much it matters where that is known better than by `severity`:
    such an event is an alert, whatever its severity. `call` is the verb's call that it happened in.
    """

    name: str
    severity: Literal["info", "warning", "critical"]
    message: str
    bot: BotId | None = None
    verb: str | None = None
    operation_id: str | None = None
    outcome: Outcome | None = None
    weight: float | None = None
    call: CallDetails | None = None
    request: RequestDetails | None = None


class EventSink(Protocol):
    """Where a host wants its billing events. `name` tells its cursor from those of others."""

    @property
    def name(self) -> str:
        """The same after every restart."""
        ...

    def send(self, events: Sequence[BillingEvent]) -> None:
        """Take some events of one bot, in order; raise unless all of them were taken.

        An event may come again, with the same id. Must come back well within a minute.
        """
        ...


class Observer(Protocol):
    """Told after the fact. What it raises is logged and goes no further.

    One that also has `follows`, a collection of names, is asked for it at each call, and told of
    those of `call.began`, `operation.opened`, `request.began`, `request.ended` and `call.ended`
    that it holds. They come in the thread of the call; what has begun ends, whatever happens.
    """

    def notify(self, event: Event) -> None:
        """Hear of an event; be quick, for the call waits."""
        ...


class OutcomeInDoubt(Exception):
    """A request may have had its effect, and nothing more can be learnt now."""


class Escalated(Exception):
    """Neither found nor excluded; `args[0]` says why."""
