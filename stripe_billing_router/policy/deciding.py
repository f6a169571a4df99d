"""The decision: every rule that matches applies, and the strictest wins."""

from __future__ import annotations

from collections.abc import Sequence

from ..models import BotId, Policies, PolicyRule, Reservation
from .counters import reservations
from .currencies import capped, permitted
from .facts import Demands, Facts
from .matching import matching
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
