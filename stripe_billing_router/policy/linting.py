"""Rules that are valid and cannot be meant: each check is one function, named by its id."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from ..frozen import frozen
from ..models import BotId, Declared, Policies, PolicyRule, RouteKey
from ..models.findings import Finding
from .covering import covers, matches_as_many
from .matching import capped, matches, permitted

_MOST_NAMED = 3


@frozen
class _Ground:
    """What the checks look at: the rules, the currency of each route, which match which, and the
    verbs."""

    rules: Sequence[PolicyRule]
    currencies: Mapping[RouteKey, str]
    rules_of: Mapping[RouteKey, Sequence[PolicyRule]]
    routes_of: Mapping[str, Sequence[RouteKey]]
    verbs: Collection[Declared]

    @property
    def spending(self) -> list[Declared]:
        """The verbs that move money, but for what gives it back."""
        return [verb for verb in self.verbs if verb.moves != "none" and not verb.gives_back]


def lint_policies(
    policies: Policies, currencies: Mapping[RouteKey, str], verbs: Collection[Declared]
) -> list[Finding]:
    """Return what is suspicious about the rules; `currencies` is in force for each route."""
    routes_of: dict[str, list[RouteKey]] = {rule.name: [] for rule in policies.rules}
    rules_of: dict[RouteKey, list[PolicyRule]] = {}
    for key in currencies:
        rules_of[key] = [rule for rule in policies.rules if matches(rule, key)]
        for rule in rules_of[key]:
            routes_of[rule.name].append(key)
    ground = _Ground(policies.rules, currencies, rules_of, routes_of, verbs)
    return [finding for check in _CHECKS for finding in check(ground)]


def rule_matches_no_bot(ground: _Ground) -> Iterator[Finding]:
    for rule in ground.rules:
        if not ground.routes_of[rule.name]:
            message = "matches no bot of this file; correct match, or remove the rule"
            yield _finding("rule-matches-no-bot", rule, "match", message)


def rule_covered(ground: _Ground) -> Iterator[Finding]:
    """Of two equal rules the later one is told."""
    for place, rule in enumerate(ground.rules):
        for other_place, other in enumerate(ground.rules):
            if other is rule or not covers(other, rule, ground.verbs):
                continue
            if other_place < place or not covers(rule, other, ground.verbs):
                message = (
                    f"changes nothing: {other.name} matches the same bots and is at least as "
                    "strict everywhere; remove one of them"
                )
                yield _finding("rule-covered", rule, "", message)
                break


def no_verb_left(ground: _Ground) -> Iterator[Finding]:
    stopped: dict[tuple[str, ...], list[RouteKey]] = {}
    for key, rules in ground.rules_of.items():
        naming = [rule for rule in rules if rule.verbs is not None]
        if naming and not frozenset.intersection(*(rule.verbs or frozenset() for rule in naming)):
            stopped.setdefault(tuple(rule.name for rule in naming), []).append(key)
    for names, keys in stopped.items():
        yield Finding(
            "no-verb-left",
            f"policies.rules.{names[0]}.verbs",
            f"leaves no verb to {_bots(keys)}: the verbs of {', '.join(names)} have none in "
            "common; let them share one, or match other bots",
        )


def route_currency_refused(ground: _Ground) -> Iterator[Finding]:
    for rule in ground.rules:
        refused: dict[str, list[RouteKey]] = {}
        for key in ground.routes_of[rule.name]:
            if not _lets_pass(rule, ground.currencies[key], ground.spending):
                refused.setdefault(ground.currencies[key], []).append(key)
        for currency, keys in refused.items():
            message = (
                f"refuses {currency}, the currency of {_bots(keys)}; add it to currencies or to "
                "the limits, or match other bots"
            )
            yield _finding("route-currency-refused", rule, "", message)


def approval_never_asked(ground: _Ground) -> Iterator[Finding]:
    for rule in ground.rules:
        for currency, threshold in rule.approval_above.items():
            for other in ground.rules:
                largest = other.largest.get(currency)
                if largest is None or largest > threshold or not matches_as_many(other, rule):
                    continue
                message = (
                    f"is never asked: {other.name} refuses more than that amount; raise its "
                    "largest, or lower approval_above"
                )
                yield _finding("approval-never-asked", rule, f"approval_above.{currency}", message)
                break


def budget_never_used(ground: _Ground) -> Iterator[Finding]:
    for rule in ground.rules:
        for place, budget in enumerate(rule.budgets):
            refused = rule.currencies is not None and budget.currency not in rule.currencies
            if refused or not any(map(budget.counts, _allowed(rule, ground.verbs))):
                message = (
                    f"counts nothing: the rule's {'currencies' if refused else 'verbs'} refuse "
                    "what it counts; correct one of them"
                )
                yield _finding("budget-never-used", rule, f"budgets.{place}", message)


def currency_without_limit(ground: _Ground) -> Iterator[Finding]:
    for rule in ground.rules:
        limited = set(rule.approval_above).union(*(capped(rule, v) for v in ground.spending))
        free = sorted((rule.currencies or frozenset()) - limited) if limited else []
        if free:
            message = (
                f"lets {', '.join(free)} through without the limits that the rule has in "
                f"{', '.join(sorted(limited))}; add them to the limits"
            )
            yield _finding("currency-without-limit", rule, "currencies", message)


_CHECKS = (
    rule_matches_no_bot,
    rule_covered,
    no_verb_left,
    route_currency_refused,
    approval_never_asked,
    budget_never_used,
    currency_without_limit,
)


def _allowed(rule: PolicyRule, verbs: Collection[Declared]) -> list[Declared]:
    return [verb for verb in verbs if rule.verbs is None or verb.name in rule.verbs]


def _lets_pass(rule: PolicyRule, currency: str, spending: Collection[Declared]) -> bool:
    allowed = [permitted(rule, verb) for verb in _allowed(rule, spending)]
    return not allowed or any(codes is None or currency in codes for codes in allowed)


def _finding(check: str, rule: PolicyRule, below: str, message: str) -> Finding:
    path = f"policies.rules.{rule.name}"
    return Finding(check, f"{path}.{below}" if below else path, message)


def _bots(keys: Sequence[RouteKey]) -> str:
    named = [
        f"{BotId(domain, category, name)} in {region}"
        for domain, region, category, name in keys[:_MOST_NAMED]
    ]
    more = len(keys) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")
