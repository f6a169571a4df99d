"""What a host allows its bots: rules, budgets, approvals and freezes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Literal, get_args

from ..frozen import frozen
from ..redaction import shown
from .operations import Operation
from .routes import RouteKey
from .verbs import Declared

Window = Literal["hour", "day", "month"]
"""A calendar window in UTC, as card issuers count their spending limits."""

NewBots = Literal["refused", "limited"]


def window_start_ms(window: Window, now_ms: int) -> int:
    """Return when the window that `now_ms` lies in began."""
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    start = now.replace(minute=0, second=0, microsecond=0)
    if window != "hour":
        start = start.replace(hour=0)
    if window == "month":
        start = start.replace(day=1)
    return int(start.timestamp()) * 1000


@frozen
class Budget:
    """The most that may be spent in a window, in minor units of one currency.

    Per bot, or `shared` by all bots that the rule matches. `verbs` are the names of those that
    count; None: all that move money, but for what gives payments back. That gives nothing back to
    the budget unless `refunds_restore`.
    """

    per: Window
    amount_minor: int
    currency: str
    shared: bool = False
    refunds_restore: bool = False
    verbs: frozenset[str] | None = None

    def counts(self, verb: Declared) -> bool:
        """Say whether what a verb moves is counted."""
        if self.verbs is None:
            return verb.moves != "none" and not verb.gives_back
        return verb.name in self.verbs


@frozen
class CallLimit:
    """The most calls in a window, whatever became of them; per bot, or `shared`."""

    per: Window
    calls: int
    shared: bool = False


@frozen
class PolicyRule:
    """One rule. The four patterns say whom it matches (`*` and `?` are wildcards).

    `largest` and `approval_above` are minor units by currency; None means no such limit.
    """

    name: str
    domain: str = "*"
    region: str = "*"
    business_category: str = "*"
    bot_name: str = "*"
    verbs: frozenset[str] | None = None
    currencies: frozenset[str] | None = None
    largest: Mapping[str, int] = field(default_factory=dict)
    budgets: tuple[Budget, ...] = ()
    call_limits: tuple[CallLimit, ...] = ()
    own_payments_only: bool = False
    approval_above: Mapping[str, int] = field(default_factory=dict)


@frozen
class Policies:
    """All rules of a routing file. Every rule that matches applies, and the strictest wins.

    `new_bots` says what of routes of bots, or regions, that the routing file does not name, which
    are made at run time: `refused`, or `limited` (they share what the rules that match give to each
    bot, and there has to be one); None: like any other. `routes` are the file's.
    """

    rules: tuple[PolicyRule, ...] = ()
    freeze_on_discrepancy: bool = False
    new_bots: NewBots | None = None
    routes: frozenset[RouteKey] = field(default=frozenset(), compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.new_bots not in (None, *get_args(NewBots)):
            raise ValueError(
                f"new_bots is {shown(self.new_bots)}; pass 'refused', 'limited' or None"
            )

    def knowing(self, routes: Iterable[RouteKey]) -> Policies:
        """Return the policies of a file with these routes."""
        return replace(self, routes=frozenset(routes))


@frozen
class Reservation:
    """What one operation takes of one counter.

    `kind`: `money` (minor units; released if nothing is spent), `calls` (one, kept whatever
    becomes of the call) or `restore` (what a refund gives back once it has paid: no more than what
    the operation, or the renewal, that it `restores` still holds of the counter, in its window).
    `counter` names rule, kind, window, currency and, unless shared, the bot.
    """

    rule: str
    counter: str
    kind: Literal["money", "calls", "restore"]
    per: Window
    amount: int
    limit: int
    currency: str | None = None
    restores: str | None = None


@frozen
class Usage:
    """How much of a counter is used in the window that began then."""

    counter: str
    window_start_ms: int
    used: int


@frozen
class Counted:
    """A counter that says that less is `used` than sealed operations hold of it; or, if there is a
    `limit`, of which they hold more than that."""

    counter: str
    window_start_ms: int
    used: int
    held: int
    limit: int | None = None


class ApprovalState(StrEnum):
    """Where an approval stands. An `approved` one may still expire before it is used."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    USED = "used"
    EXPIRED = "expired"


@frozen
class Approval:
    """A person's decision about one operation, bound to its `effect_hash` and amount; used once.

    `idempotency_key` is what the bot passes to resume the call.
    """

    approval_id: str
    operation_id: str
    idempotency_key: str
    bot_id: str
    verb: str
    effect_hash: str
    input_hash: str
    rule: str
    amount_minor: int | None
    currency: str | None
    customer_id: str | None
    state: ApprovalState
    requested_ms: int = 0
    expires_ms: int = 0
    decided_ms: int | None = None
    decided_by: str | None = None
    note: str | None = None

    def covers(self, asked: Operation | Approval) -> bool:
        """Say whether it is about this very effect at this very amount: a price that is changed in
        Stripe changes the amount alone."""
        told = self.amount_minor, self.currency
        return self.is_about(asked) and told == (asked.amount_minor, asked.currency)

    def is_about(self, asked: Operation | Approval) -> bool:
        """Say whether it is about this very effect, and a person was shown whose it is: the bots'
        side writes the question."""
        bot = asked.bot_id if isinstance(asked, Approval) else str(asked.bot)
        return (self.effect_hash, self.operation_id, self.bot_id, self.verb, self.customer_id) == (
            asked.effect_hash,
            asked.operation_id,
            bot,
            asked.verb,
            asked.customer_id,
        )


@frozen
class Freeze:
    """A stop for all bots that `scope` matches.

    Scopes are bot ids in canonical form in which any part may be `*`: `finance:collector` (a
    bot), `finance:*` (a category), `acme:*:*` (a domain), `*` (everything).
    """

    freeze_id: str
    scope: str
    reason: str
    frozen_by: str
    frozen_ms: int
    unfrozen_by: str | None = None
    unfrozen_ms: int | None = None
