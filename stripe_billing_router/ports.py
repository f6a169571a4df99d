"""What the engine needs of the world: one small Protocol for each need.

Adapters live on the floor above; the engine on the floor above those knows only these.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from .models import BotId, Operation, OperationState, Outcome, ResolvedRoute, Route, RouteKey, Write


class Clock(Protocol):
    """Time. `now_ms` is the wall clock; `elapsed` counts seconds, also while the host sleeps."""

    def now_ms(self) -> int: ...
    def elapsed(self) -> float: ...
    def sleep(self, seconds: float) -> None: ...


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    """The keys in force. `allowed` are `sha256:` fingerprints; `accounts` pins some to accounts."""

    secret_key: str
    public_key: str | None
    allowed: frozenset[str]
    source: str
    accounts: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Keys(source={self.source!r})"


class KeyProvider(Protocol):
    """Where keys come from. Raises KeyConfigurationError or KeyProviderUnavailableError."""

    def keys(self) -> Keys: ...
    def refresh(self) -> None:
        """Forget what is cached: Stripe has refused the key, it may have been rotated."""
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """One request to the payment provider; the key travels with the call."""

    method: Literal["post", "get", "delete"]
    path: str
    params: Mapping[str, Any]
    secret_key: str = field(repr=False)
    api_version: str
    expects: str
    idempotency_key: str | None = None


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


class DuplicateOperation(Exception):
    """The operation id exists already."""


class TwinInDoubt(Exception):
    """An equal keyless operation is in doubt, waits, or was settled without its caller.

    `args` are its operation id and its state.
    """


class StaleLease(Exception):
    """The row is not what the writer believed: another holds it, or its state has moved on."""


class CommitAmbiguous(Exception):
    """The database broke off during COMMIT: the writes may or may not be there."""


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

    def currency_of(self, stripe_id: str) -> str | None:
        """Return the currency that the ledger holds for a payment, or None."""
        ...

    def now_ms(self) -> int:
        """The time by which leases are kept."""
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
    """A failed check of key, account or destination."""

    bot: BotId | None
    kind: Literal["key", "route_account", "key_account", "destination"]
    account_id: str | None
    expected_account_id: str
    operation_id: str | None = None


class Reaction(Protocol):
    """One consequence of a discrepancy. Each runs even if another fails."""

    def react(self, discrepancy: Discrepancy) -> None: ...


@dataclass(frozen=True, slots=True)
class Event:
    """Something that observers may want to know. `name` is dotted, such as `operation.closed`."""

    name: str
    severity: Literal["info", "warning", "critical"]
    message: str
    bot: BotId | None = None
    verb: str | None = None
    operation_id: str | None = None
    outcome: Outcome | None = None


class Observer(Protocol):
    """Told after the fact. What it raises is logged and goes no further."""

    def notify(self, event: Event) -> None: ...
