"""What a caller is told when a rule refuses: the rule, its limit, what is left, what to do."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from ..errors import PolicyViolationError
from ..models import PolicyRule, Reservation
from ..money import to_major
from .facts import Facts


def wrong_verb(rule: PolicyRule, facts: Facts) -> PolicyViolationError:
    allowed = tuple(sorted(rule.verbs or ()))
    return PolicyViolationError(
        f"The rule {rule.name} does not allow {facts.verb.name} to {facts.bot}: it allows "
        f"{_listed(allowed)}. {_else_change(rule, 'verbs')}",
        rule=rule.name,
        limit=allowed,
    )


def wrong_currency(
    rule: PolicyRule, facts: Facts, permitted: frozenset[str]
) -> PolicyViolationError:
    allowed = tuple(sorted(permitted))
    if facts.currency is None:
        what = f"a {facts.verb.name} whose currency cannot be known"
    else:
        what = f"{facts.currency} to {facts.bot}"
    why = "" if rule.currencies is not None else ", the currencies that it has limits for"
    return PolicyViolationError(
        f"The rule {rule.name} does not allow {what}: it allows {_listed(allowed)}{why}. "
        "Correct the route's currency or the price, or add the currency to the limits or to "
        f"currencies of policies.rules.{rule.name} in the routing file.",
        rule=rule.name,
        limit=allowed,
    )


def unknown_amount(rule: PolicyRule, facts: Facts) -> PolicyViolationError:
    return PolicyViolationError(
        f"The rule {rule.name} limits amounts, and what this {facts.verb.name} would come to "
        "cannot be known before it is done. Pass the amount, use a price with a fixed amount, or "
        f"have a person change policies.rules.{rule.name} in the routing file.",
        rule=rule.name,
        limit=_largest(rule, facts),
    )


def too_large(rule: PolicyRule, facts: Facts) -> PolicyViolationError:
    assert facts.amount_minor is not None and facts.currency is not None  # noqa: S101, PT018
    limit = rule.largest[facts.currency]
    return PolicyViolationError(
        f"The rule {rule.name} allows {facts.bot} at most {_money(limit, facts.currency)} at once, "
        f"not {_money(facts.amount_minor, facts.currency)}. {_else_change(rule, 'largest')}",
        rule=rule.name,
        limit=to_major(limit, facts.currency),
    )


def over_limit(reservation: Reservation, remaining: int) -> PolicyViolationError:
    """Return the error for a reservation that does not fit; `remaining` as it counts."""
    rule, per = reservation.rule, reservation.per
    wanted, allowed, left = (
        _counted(number, reservation.currency)
        for number in (reservation.amount, reservation.limit, remaining)
    )
    return PolicyViolationError(
        f"The rule {rule} allows {allowed} in one {per}; {left} left, and this takes {wanted}. "
        f"Wait for the next {per} (UTC), or have a person change policies.rules.{rule} in the "
        "routing file.",
        rule=rule,
        limit=_in_units(reservation.limit, reservation.currency),
        remaining=_in_units(remaining, reservation.currency),
    )


def _in_units(number: int, currency: str | None) -> Decimal | int:
    return number if currency is None else to_major(number, currency)


def _counted(number: int, currency: str | None) -> str:
    if currency is not None:
        return _money(number, currency)
    return "1 call" if number == 1 else f"{number} calls"


def _largest(rule: PolicyRule, facts: Facts) -> Decimal | None:
    """The lowest amount that the rule has a limit for in this currency, in major units."""
    currency = facts.currency or ""
    found = [
        budget.amount_minor
        for budget in rule.budgets
        if budget.currency == currency and budget.counts(facts.verb)
    ]
    if currency in rule.largest:
        found.append(rule.largest[currency])
    return to_major(min(found), currency) if found else None


def _else_change(rule: PolicyRule, field: str) -> str:
    return (
        f"Stay within it, or have a person change policies.rules.{rule.name}.{field} in the "
        "routing file."
    )


def _money(minor: int, currency: str) -> str:
    return f"{to_major(minor, currency):f} {currency}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "nothing"
