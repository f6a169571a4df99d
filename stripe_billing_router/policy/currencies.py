"""Which currencies a rule lets through.

A limit in one currency must not leave the others unlimited: where a rule caps amounts, only the
currencies of its caps pass, and those that its `currencies` name.
"""

from __future__ import annotations

from ..models import Declared, PolicyRule


def capped(rule: PolicyRule, verb: Declared) -> frozenset[str]:
    """Return the currencies in which the rule caps what this verb moves."""
    budgets = (budget.currency for budget in rule.budgets if budget.counts(verb))
    return frozenset((*rule.largest, *budgets))


def permitted(rule: PolicyRule, verb: Declared) -> frozenset[str] | None:
    """Return the currencies that the rule lets this verb move; None if it lets all."""
    return rule.currencies if rule.currencies is not None else capped(rule, verb) or None
