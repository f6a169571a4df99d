"""Whether one rule is wholly covered by another: it could be removed, and nothing would change."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ..models import Budget, CallLimit, Declared, PolicyRule
from .matching import fits, patterns, permitted


def covers(strict: PolicyRule, rule: PolicyRule, verbs: Collection[Declared]) -> bool:
    """Return whether `strict` matches every bot that `rule` matches and is nowhere laxer to any of
    the verbs.

    Where that cannot be seen from the patterns and limits side by side the answer is False.
    """
    return (
        matches_as_many(strict, rule)
        and _verbs(strict, rule)
        and _currencies(strict, rule, verbs)
        and _amounts(strict.largest, rule.largest)
        and _approval(strict, rule)
        and all(any(_budget(s, b, verbs) for s in strict.budgets) for b in rule.budgets)
        and all(any(_calls(s, c) for s in strict.call_limits) for c in rule.call_limits)
        and (strict.own_payments_only or not rule.own_payments_only)
    )


def matches_as_many(wide: PolicyRule, rule: PolicyRule) -> bool:
    """Return whether `wide` matches every bot that `rule` matches, known today or not."""
    pairs = zip(patterns(wide), patterns(rule), strict=True)
    return all(pattern in ("*", other) or _fits_name(pattern, other) for pattern, other in pairs)


def _fits_name(pattern: str, name: str) -> bool:
    return not set(name) & set("*?") and fits(pattern, name)


def _verbs(strict: PolicyRule, rule: PolicyRule) -> bool:
    return rule.verbs is None or (strict.verbs is not None and strict.verbs <= rule.verbs)


def _currencies(strict: PolicyRule, rule: PolicyRule, verbs: Collection[Declared]) -> bool:
    for verb in verbs:
        if verb.moves == "none" or (strict.verbs is not None and verb.name not in strict.verbs):
            continue
        lax, narrow = permitted(rule, verb), permitted(strict, verb)
        if lax is not None and (narrow is None or not narrow <= lax):
            return False
    return True


def _amounts(strict: Mapping[str, int], lax: Mapping[str, int]) -> bool:
    return all(code in strict and strict[code] <= amount for code, amount in lax.items())


def _approval(strict: PolicyRule, rule: PolicyRule) -> bool:
    """A currency without a threshold asks always, unless it is listed; both have to ask alike."""
    if not rule.approval_above:
        return True
    listed = strict.currencies or frozenset()
    return (
        strict.approval_above.keys() == rule.approval_above.keys()
        and _amounts(strict.approval_above, rule.approval_above)
        and (rule.currencies is not None or listed <= strict.approval_above.keys())
    )


def _budget(strict: Budget, budget: Budget, verbs: Collection[Declared]) -> bool:
    return (
        (strict.per, strict.currency) == (budget.per, budget.currency)
        and strict.amount_minor <= budget.amount_minor
        and all(strict.counts(verb) or not budget.counts(verb) for verb in verbs)
        and (strict.shared or not budget.shared)
        and (budget.refunds_restore or not strict.refunds_restore)
    )


def _calls(strict: CallLimit, calls: CallLimit) -> bool:
    return (
        strict.per == calls.per
        and strict.calls <= calls.calls
        and (strict.shared or not calls.shared)
    )
