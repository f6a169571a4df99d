"""What a check looks at: what Stripe shows beside what our books say. Nothing is read here."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import field
from typing import Any
from urllib.parse import urlsplit

from ..frozen import frozen
from ..models import BookedEntry, Counted, Operation
from ..store import Broken
from .limits import Limits
from .movements import Facts, Movement


@frozen
class Claim:
    """A ledger entry that says that money has moved. `collected`: Stripe shows it so; `owned`: the
    operation that it names is there, and its bot's."""

    entry: BookedEntry
    collected: bool
    owned: bool = True

    @property
    def facts(self) -> Facts:
        entry = self.entry
        return Facts(
            entry.id,
            entry.bot_id,
            entry.operation_id,
            entry.destination_account,
            entry.amount_minor,
            entry.currency,
            entry.timestamp_ms,
        )


@frozen
class Takings:
    """What one day (UTC) collected less what it gave back, in minor units.

    `explained_minor` is how much of Stripe's sum less the ledger's other findings explain, or
    operations that are under way.
    """

    day: str
    currency: str
    ledger_minor: int
    stripe_minor: int
    explained_minor: int

    @property
    def facts(self) -> Facts:
        difference = self.stripe_minor - self.ledger_minor
        begin = dt.datetime.fromisoformat(self.day).replace(tzinfo=dt.UTC)
        return Facts(
            f"{self.day} {self.currency}",
            amount_minor=difference,
            currency=self.currency,
            at_ms=int(begin.timestamp()) * 1000,
        )


@frozen
class Endpoint:
    """A webhook endpoint of the account."""

    id: str
    url: str
    status: str

    @property
    def place(self) -> str:
        """The URL without what may be secret in it: a login, a query."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    @property
    def facts(self) -> Facts:
        return Facts(self.id)


@frozen
class Dispute:
    """A dispute that is not decided."""

    id: str
    status: str
    payment: str | None
    reason: str | None
    due_ms: int | None
    amount_minor: int
    currency: str
    created_ms: int

    @property
    def facts(self) -> Facts:
        return Facts(
            self.id,
            amount_minor=self.amount_minor,
            currency=self.currency,
            at_ms=self.created_ms,
        )


@frozen
class RoutedObject:
    """A price or customer that routes name. `shown` is Stripe's, None if it has none."""

    id: str
    kind: str
    routes: tuple[str, ...]
    shown: Mapping[str, Any] | None

    @property
    def facts(self) -> Facts:
        return Facts(self.id)


@frozen
class OpenOperation:
    """An operation that is not settled, and for how long it has not been."""

    operation: Operation
    age_ms: int

    @property
    def facts(self) -> Facts:
        operation = self.operation
        return Facts(
            operation.operation_id,
            str(operation.bot),
            operation.operation_id,
            None,
            operation.amount_minor,
            operation.currency,
            operation.started_ms,
        )


@frozen
class BrokenStream:
    """A hash chain of the ledger that does not hold."""

    broken: Broken

    @property
    def facts(self) -> Facts:
        return Facts(self.broken.stream)


@frozen
class SetBack:
    """A budget's counter below what sealed operations hold of it."""

    counted: Counted

    @property
    def facts(self) -> Facts:
        counted = self.counted
        return Facts(counted.counter, at_ms=counted.window_start_ms)


@frozen
class KeyAccount:
    """What is wrong with the key that reads: it is not the master account's."""

    kind: str
    account_id: str | None
    expected_id: str

    @property
    def facts(self) -> Facts:
        return Facts(self.account_id or self.kind, account_id=self.account_id)


Case = (
    Movement
    | Claim
    | Takings
    | Endpoint
    | Dispute
    | RoutedObject
    | OpenOperation
    | BrokenStream
    | SetBack
    | KeyAccount
)


@frozen
class View:
    """What checks know beside their case. `now_ms` is Stripe's time; `routed` are the bots that
    have a route."""

    limits: Limits
    now_ms: int
    routed: frozenset[str]


@frozen
class Problem:
    """What a check has to say; `subject` if it is not the case's own."""

    message: str
    subject: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
