"""The decision: every rule that matches applies, and the strictest wins; and what a call takes of
what budgets and call limits are counted by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from ..models import BotId, Budget, CallLimit, Policies, PolicyRule, Reservation
from .facts import Demands, Facts
from .matching import capped, matching, permitted
from .refusals import too_large, unknown_amount, wrong_currency, wrong_verb

_NOTHING = Demands()


def demands(policies: Policies, facts: Facts) -> Demands:
    """Return what the matching rules demand; PolicyViolationError if one refuses the call.

    A rule added never allows more: each is asked by itself, and all have to agree.
    """
    rules = matching(policies, facts.bot, facts.region)
    if not rules:
        return _NOTHING
    for rule in rules:
        _check_verb(rule, facts)
    if facts.moves_money:
        for rule in rules:
            _check_currency(rule, facts)
        _check_largest(rules, facts)
    return Demands(
        reservations=reservations(rules, facts),
        approval=_approval(rules, facts),
        own_payment=_own_payment(rules, facts),
    )


def limits_money(policies: Policies, bot: BotId, region: str) -> bool:
    """Return whether a matching rule limits amounts, or asks people about them."""
    rules = matching(policies, bot, region)
    return any(rule.largest or rule.budgets or rule.approval_above for rule in rules)


def counted(policies: Policies, facts: Facts) -> tuple[Reservation, ...]:
    """Return what a call takes of every counter, though a rule should refuse it."""
    return reservations(matching(policies, facts.bot, facts.region), facts)


def spent(policies: Policies, facts: Facts) -> tuple[Reservation, ...]:
    """Return what counts against budgets of money that has moved without a call being asked for.

    For a refund that came back, these are the budgets to which it had given its amount back.
    """
    kind = "restore" if facts.verb.gives_back else "money"
    return tuple(part for part in counted(policies, facts) if part.kind == kind)


def _check_verb(rule: PolicyRule, facts: Facts) -> None:
    if rule.verbs is not None and facts.verb.name not in rule.verbs:
        raise wrong_verb(rule, facts)


def _check_currency(rule: PolicyRule, facts: Facts) -> None:
    allowed = permitted(rule, facts.verb)
    if allowed is not None and facts.currency not in allowed:
        raise wrong_currency(rule, facts, allowed)
    if facts.amount_minor is None and facts.currency in capped(rule, facts.verb):
        raise unknown_amount(rule, facts)


def _check_largest(rules: Sequence[PolicyRule], facts: Facts) -> None:
    """Refuse in the name of the strictest rule, so that what it says is what would pass."""
    if facts.currency is None or facts.amount_minor is None:
        return
    limiting = [rule for rule in rules if facts.currency in rule.largest]
    strictest = min(limiting, key=lambda rule: rule.largest[facts.currency or ""], default=None)
    if strictest is not None and facts.amount_minor > strictest.largest[facts.currency]:
        raise too_large(strictest, facts)


def _approval(rules: Sequence[PolicyRule], facts: Facts) -> str | None:
    if not facts.moves_money:
        return None
    asking = [(_threshold(rule, facts), rule.name) for rule in rules if _asks(rule, facts)]
    return min(asking, key=lambda asked: asked[0])[1] if asking else None


def _asks(rule: PolicyRule, facts: Facts) -> bool:
    """A person also decides where the amount is unknown, or the currency has no threshold."""
    if not rule.approval_above:
        return False
    if facts.currency not in rule.approval_above:
        return rule.currencies is None or facts.currency not in rule.currencies
    return facts.amount_minor is None or facts.amount_minor > _threshold(rule, facts)


def _threshold(rule: PolicyRule, facts: Facts) -> int:
    return rule.approval_above.get(facts.currency or "", 0)


def _own_payment(rules: Sequence[PolicyRule], facts: Facts) -> str | None:
    if not facts.verb.gives_back:
        return None
    return next((rule.name for rule in rules if rule.own_payments_only), None)


def counter_of(rule: PolicyRule, limit: Budget | CallLimit, bot: BotId) -> str:
    """Return the name of a counter, such as `collectors/money/day/usd/finance:x`.

    Rule, kind, window, currency (`-` for calls), and the bot (`*` where all that match share it);
    the same for every spelling of a bot's id, and for every process.
    """
    return _stem(rule, limit) + ("*" if limit.shared else str(bot))


def limit_of(counters: Mapping[str, int], counter: str) -> int | None:
    """Return the limit of a counter by what `counter_limits` gave; None if it has none by now."""
    stem = counter.rpartition("/")[0] + "/"
    return counters.get(counter) if counter == f"{stem}*" else counters.get(stem)


def counter_limits(rules: Iterable[PolicyRule]) -> dict[str, int]:
    """Return what counters may come to, by their names as far as all bots have the same; the lower
    where two limits count by one."""
    lowest: dict[str, int] = {}
    for rule in rules:
        every: list[Budget | CallLimit] = [*rule.budgets, *rule.call_limits]
        for limit in every:
            name = _stem(rule, limit) + ("*" if limit.shared else "")
            most = limit.amount_minor if isinstance(limit, Budget) else limit.calls
            lowest[name] = min(most, lowest.get(name, most))
    return lowest


def _stem(rule: PolicyRule, limit: Budget | CallLimit) -> str:
    kind, currency = ("money", limit.currency) if isinstance(limit, Budget) else ("calls", "-")
    return "/".join((rule.name, kind, limit.per, currency, ""))


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
