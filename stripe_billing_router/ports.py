"""What the engine needs of the world: one small Protocol for each need.

Adapters live on the floor above; the engine on the floor above those knows only these.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from .models import (
    Approval,
    ApprovalState,
    BillingEvent,
    BotId,
    Freeze,
    LedgerEntry,
    Operation,
    OperationState,
    Outcome,
    ResolvedRoute,
    Route,
    RouteKey,
    Usage,
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


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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


class PaymentProvider(Protocol):
    """Stripe, or what stands in for it. Never raises for what the network or the provider does."""

    @property
    def api_base(self) -> str: ...
    @property
    def api_version(self) -> str: ...
    @property
    def longest_send(self) -> float:
        """Seconds after which `send` has come back, whatever happened."""
        ...

    def send(self, request: Request) -> Reply: ...


class SignatureVerifier(Protocol):
    """Says whether the payment provider signed a webhook. Never raises; looks at no time."""

    def is_signed(self, payload: bytes, header: str, secret: str) -> bool: ...


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


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Age:
    """How old an operation is, in milliseconds: at least, and at most."""

    least_ms: int
    most_ms: int
