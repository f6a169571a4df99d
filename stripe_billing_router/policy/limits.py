"""The limits that apply to a bot's verb, for people to read."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Literal

from ..frozen import frozen
from ..models import BotId, Declared, Policies, PolicyRule, Window
from ..money import to_major
from .deciding import counter_of
from .matching import matching, permitted

What = Literal["verbs", "currencies", "largest", "budget", "calls", "own_payments", "approval"]


@frozen
class Limit:
    """One limit of one rule.

    `limit` is in major units of `currency`, a number of calls, the names that are allowed, or
    None for `own_payments`, which has none. What is counted has a `window` and a `counter`.
    """

    rule: str
    what: What
    limit: Decimal | int | tuple[str, ...] | None = None
    currency: str | None = None
    window: Window | None = None
    counter: str | None = None


def limits(policies: Policies, bot: BotId, verb: Declared, region: str) -> tuple[Limit, ...]:
    """Return every limit that applies to a call of the verb, rule by rule, in the file's order."""
    rules = matching(policies, bot, region)
    return tuple(limit for rule in rules for limit in _of(rule, bot, verb))


def _of(rule: PolicyRule, bot: BotId, verb: Declared) -> Iterator[Limit]:
    if rule.verbs is not None:
        yield Limit(rule.name, "verbs", tuple(sorted(rule.verbs)))
    if verb.moves != "none":
        yield from _of_money(rule, bot, verb)
    for calls in rule.call_limits:
        counter = counter_of(rule, calls, bot)
        yield Limit(rule.name, "calls", calls.calls, window=calls.per, counter=counter)
    if rule.own_payments_only and verb.gives_back:
        yield Limit(rule.name, "own_payments")


def _of_money(rule: PolicyRule, bot: BotId, verb: Declared) -> Iterator[Limit]:
    allowed = permitted(rule, verb)
    if allowed is not None:
        yield Limit(rule.name, "currencies", tuple(sorted(allowed)))
    for currency, minor in rule.largest.items():
        yield Limit(rule.name, "largest", to_major(minor, currency), currency)
    for budget in rule.budgets:
        if budget.counts(verb):
            amount = to_major(budget.amount_minor, budget.currency)
            counter = counter_of(rule, budget, bot)
            yield Limit(rule.name, "budget", amount, budget.currency, budget.per, counter)
    for currency, minor in rule.approval_above.items():
        yield Limit(rule.name, "approval", to_major(minor, currency), currency)
