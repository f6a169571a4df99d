"""What a verb returns: frozen, typed, and readable like the Stripe JSON it came from."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

from ..frozen import frozen
from ..money import amounts_as_text, to_major
from .routes import Route


@dataclass(frozen=True, eq=False, repr=False)
class Result(Mapping[str, Any]):
    """The result of a verb.

    `status` is Stripe's own word; `state` is the operation's. `amount` is what was really
    collected or given back, in major units; `amount_minor` the same in minor units. Also a
    read-only Mapping over the Stripe JSON (`result["id"]`, `result.get(...)`); `to_dict()`
    returns that JSON as a plain dict. `sandbox`: it was not Stripe itself that answered, and no
    money has moved.
    """

    id: str
    status: str | None
    state: str
    paid: bool
    amount: Decimal | None
    amount_minor: int | None
    currency: str | None
    operation_id: str | None
    idempotency_key: str | None
    raw: Mapping[str, Any] = field(compare=False)
    sandbox: bool = field(default=False, kw_only=True)

    def __getitem__(self, name: str) -> Any:
        return self.raw[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.raw)

    def __len__(self) -> int:
        return len(self.raw)

    def to_dict(self) -> dict[str, Any]:
        """Return the Stripe JSON as a dict of its own."""
        return copy.deepcopy(dict(self.raw))

    def __repr__(self) -> str:
        money = None if self.amount is None else f"{self.amount} {self.currency}"
        parts = (money, self.status, self.id, "sandbox" if self.sandbox else None)
        shown = [part for part in parts if part is not None]
        return f"{type(self).__name__}({', '.join(shown)})"


class Charge(Result):
    """A payment. `client_secret` is in the JSON where the customer still has to act."""


class Refund(Result):
    """A refund. `amount` is what was given back."""


class Subscription(Result):
    """A subscription. `amount` is what its first invoice collected."""


class CheckoutSession(Result):
    """A checkout session. `result["url"]` is where the customer pays."""


class Customer(Result):
    """A customer; no amount."""


@dataclass(frozen=True, eq=False, repr=False)
class Balance(Result):
    """The account's balance: `available` and `pending`, major units by currency."""

    available: Mapping[str, Decimal] = field(default_factory=dict)
    pending: Mapping[str, Decimal] = field(default_factory=dict)

    def __repr__(self) -> str:
        parts = [f"{amount} {code}" for code, amount in self.available.items()]
        where = ", sandbox" if self.sandbox else ""
        return f"Balance({', '.join(parts) or 'nothing'} available{where})"


@frozen
class RecoveryReport:
    """What a recovery did, as operation ids: `completed` (sent with the same key), `recorded`
    (found in Stripe), `abandoned` (proven not to have happened), `canceled` (waited too long),
    `escalated` (neither found nor excluded: people have to look), `left` (still held or in doubt).
    """

    completed: tuple[str, ...] = ()
    recorded: tuple[str, ...] = ()
    abandoned: tuple[str, ...] = ()
    canceled: tuple[str, ...] = ()
    escalated: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


@frozen
class AppliedLimit:
    """One limit of a policy rule, and how much of it is left in the present window.

    `limit` is in major units of `currency`, a number of calls, or the names that are allowed;
    `left` is None where nothing is counted.
    """

    rule: str
    what: str
    limit: Decimal | int | tuple[str, ...] | None
    left: Decimal | int | None
    currency: str | None
    window: str | None


@frozen
class Explanation:
    """What applies to a call: nothing of it was sent. `key_fingerprint` is a hash of the key.

    `refusals` says why the call would not pass, as far as can be said without asking Stripe, and
    `approval` names the rule that would have a person asked; both are empty for a call that passes.
    """

    bot_id: str
    verb: str
    region: str
    route: Route
    overrides: Mapping[str, str]
    currency: str
    account_id: str
    key_fingerprint: str
    key_source: str
    key_allowed: bool
    limits: tuple[AppliedLimit, ...] = ()
    refusals: tuple[str, ...] = ()
    approval: str | None = None

    @property
    def passes(self) -> bool:
        """Whether the call would be sent at once."""
        return not self.refusals and self.approval is None

    def to_dict(self) -> dict[str, Any]:
        """Return it in JSON types; amounts as text."""
        found: dict[str, Any] = {name: getattr(self, name) for name in self.__match_args__}
        limits = [amounts_as_text(asdict(limit)) for limit in self.limits]
        plain = {"route": dict(self.route), "overrides": dict(self.overrides), "limits": limits}
        return {**found, **plain, "refusals": list(self.refusals), "passes": self.passes}


def major(amount_minor: int | None, currency: str | None) -> Decimal | None:
    """Return an amount in major units where both it and its currency are known."""
    if amount_minor is None or currency is None:
        return None
    return to_major(amount_minor, currency)
