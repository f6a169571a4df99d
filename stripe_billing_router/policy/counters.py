"""What budgets and call limits are counted by, and how much of it one call takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..models import BotId, Budget, CallLimit, PolicyRule, Reservation
from .facts import Facts


def counter_of(rule: PolicyRule, limit: Budget | CallLimit, bot: BotId) -> str:
    """Return the name of a counter, such as `collectors/money/day/usd/finance:x`.

    Rule, kind, window, currency (`-` for calls), and the bot (`*` where all that match share it);
    the same for every spelling of a bot's id, and for every process.
    """
    kind, currency = ("money", limit.currency) if isinstance(limit, Budget) else ("calls", "-")
    return "/".join((rule.name, kind, limit.per, currency, "*" if limit.shared else str(bot)))


def reservations(rules: Iterable[PolicyRule], facts: Facts) -> tuple[Reservation, ...]:
    """Return what the call takes of every counter; where two limits count by one, the lower."""
    strictest: dict[tuple[str, str], Reservation] = {}
    for rule in rules:
        for part in _parts(rule, facts):
            known = strictest.setdefault((part.counter, part.kind), part)
            if part.limit < known.limit:
                strictest[part.counter, part.kind] = part
    return tuple(strictest[key] for key in sorted(strictest))


def _parts(rule: PolicyRule, facts: Facts) -> Iterator[Reservation]:
    for calls in rule.call_limits:
        counter = counter_of(rule, calls, facts.bot)
        yield Reservation(rule.name, counter, "calls", calls.per, 1, calls.calls)
    for budget in rule.budgets:
        if facts.moves_money and budget.currency == facts.currency:
            yield from _of_budget(rule, budget, facts)


def _of_budget(rule: PolicyRule, budget: Budget, facts: Facts) -> Iterator[Reservation]:
    counter = counter_of(rule, budget, facts.bot)
    # What a refund gives back is settled with what it really paid; it may be unknown here.
    amount, limit = facts.amount_minor or 0, budget.amount_minor
    if budget.counts(facts.verb):
        yield Reservation(rule.name, counter, "money", budget.per, amount, limit, budget.currency)
    elif facts.verb.gives_back and budget.refunds_restore:
        yield Reservation(rule.name, counter, "restore", budget.per, amount, limit, budget.currency)
