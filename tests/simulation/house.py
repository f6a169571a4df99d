"""What people allow the bots of one schedule, and what that means for an operation.

The limits are worked out here once more, from the rules alone, so that they can be compared with
what the library made of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from stripe_billing_router.models import Budget, CallLimit, Policies, PolicyRule

BOTS = ("finance:bot", "finance:other")
SCOPES = ("finance:bot", "stripe:finance:bot", "finance:*", "*")
"""What people freeze; the second is the first, spelled out."""

_MOVING_VERBS = ("charge", "refund", "create_subscription", "create_checkout_session")
_SPENDING = frozenset(_MOVING_VERBS) - {"refund"}


@dataclass(frozen=True, slots=True)
class Part:
    """What an operation has to hold of a counter."""

    counter: str
    kind: Literal["money", "calls", "restore"]
    limit: Budget | CallLimit


@dataclass(frozen=True, slots=True)
class Bill:
    """The payment that a refund gives back: its id in Stripe, and the operation by which the same
    bot was paid, if it was; `shown` if the ledger showed that when the call began."""

    id: str
    paid_by: str | None = None
    shown: bool = False


@dataclass(frozen=True)
class House:
    """The rules of a schedule."""

    rules: tuple[PolicyRule, ...] = ()

    @cached_property
    def policies(self) -> Policies:
        return Policies(self.rules)

    @property
    def has_budgets(self) -> bool:
        return any(rule.budgets or rule.call_limits for rule in self.rules)

    @property
    def gives_back(self) -> bool:
        return any(budget.refunds_restore for rule in self.rules for budget in rule.budgets)

    @property
    def asks_people(self) -> bool:
        return any(rule.approval_above for rule in self.rules)

    def parts(self, bot: str, verb: str) -> Iterator[Part]:
        """Yield what an operation of this bot takes of counters; one part for each. A refund gives
        back to them, if what it gives back is a payment of the same bot."""
        for rule in self._matching(bot):
            for calls in rule.call_limits:
                whose = "*" if calls.shared else bot
                yield Part(f"{rule.name}/calls/{calls.per}/-/{whose}", "calls", calls)
            for budget in rule.budgets:
                whose = "*" if budget.shared else bot
                counter = f"{rule.name}/money/{budget.per}/{budget.currency}/{whose}"
                if verb in (budget.verbs or _SPENDING):
                    yield Part(counter, "money", budget)
                elif verb == "refund" and budget.refunds_restore:
                    yield Part(counter, "restore", budget)

    def needs_approval(self, bot: str, verb: str, amount: int | None) -> bool:
        if verb not in _MOVING_VERBS:
            return False
        limits = [r.approval_above["usd"] for r in self._matching(bot) if r.approval_above]
        return any(amount is None or amount > limit for limit in limits)

    def _matching(self, bot: str) -> Iterator[PolicyRule]:
        name = bot.rpartition(":")[2]
        return (rule for rule in self.rules if rule.bot_name in ("*", name))


def matches(scope: str, bot: str) -> bool:
    """Return whether a freeze of this canonical scope stops the bot."""
    return scope in ("*", "finance:*", bot)
