"""Which rules match a bot in a region, and which currencies a rule lets through."""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase

from ..models import BotId, Declared, Policies, PolicyRule, RouteKey

_MOST_KNOWN = 4096
# The value holds the policies too: while it does, their id cannot become another's.
_known: dict[tuple[int, BotId, str], tuple[Policies, tuple[PolicyRule, ...]]] = {}


def matching(policies: Policies, bot: BotId, region: str) -> tuple[PolicyRule, ...]:
    """Return the rules that match, in the file's order; found once for each bot and region.

    To bots, and regions, that were made at run time, where they are limited, all that a rule gives
    is shared.
    """
    key = (id(policies), bot, region)
    known = _known.get(key)
    if known is None:
        route_key = (bot.domain, region, bot.category, bot.name)
        found = tuple(rule for rule in policies.rules if matches(rule, route_key))
        if policies.new_bots == "limited" and route_key not in policies.routes:
            found = tuple(_shared(rule) for rule in found)
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        known = _known[key] = policies, found
    return known[1]


def admits(policies: Policies, key: RouteKey) -> bool:
    """Return whether a route may be registered: a bot's own new name, or region, must not be its
    way around the rules."""
    if policies.new_bots is None or key in policies.routes:
        return True
    return policies.new_bots == "limited" and any(matches(rule, key) for rule in policies.rules)


def _shared(rule: PolicyRule) -> PolicyRule:
    return replace(
        rule,
        budgets=tuple(replace(budget, shared=True) for budget in rule.budgets),
        call_limits=tuple(replace(calls, shared=True) for calls in rule.call_limits),
    )


def matches(rule: PolicyRule, key: RouteKey) -> bool:
    """Return whether a rule matches `(domain, region, business_category, bot_name)`."""
    return all(fits(pattern, name) for pattern, name in zip(patterns(rule), key, strict=True))


def patterns(rule: PolicyRule) -> RouteKey:
    """Return a rule's patterns in the order of a route's key."""
    return rule.domain, rule.region, rule.business_category, rule.bot_name


def fits(pattern: str, name: str) -> bool:
    """Return whether `name` fits; `*` and `?` are the only wildcards, and case matters."""
    return pattern == "*" or fnmatchcase(name, pattern.replace("[", "[[]"))


def capped(rule: PolicyRule, verb: Declared) -> frozenset[str]:
    """Return the currencies in which the rule caps what this verb moves."""
    budgets = (budget.currency for budget in rule.budgets if budget.counts(verb))
    return frozenset((*rule.largest, *budgets))


def permitted(rule: PolicyRule, verb: Declared) -> frozenset[str] | None:
    """Return the currencies that the rule lets this verb move; None if it lets all.

    A limit in one currency must not leave the others unlimited: where a rule caps amounts, only
    the currencies of its caps pass, and those that its `currencies` name.
    """
    return rule.currencies if rule.currencies is not None else capped(rule, verb) or None
