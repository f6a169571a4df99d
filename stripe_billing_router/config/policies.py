"""The `policies` section of the routing file: amounts in major units, exact, as text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ..errors import InvalidAmountError
from ..models import Budget, CallLimit, Declared, Policies, PolicyRule
from ..money import limit_to_minor
from ..redaction import redact, shown
from ..routing import wrong_name
from .checking import (
    Check,
    Faults,
    Wrong,
    boolean,
    currency_code,
    entries,
    listed,
    mapping,
    one_of,
    whole_number,
    wrong,
)

_PATTERN: Final = re.compile(r"[A-Za-z0-9_.\-*?]{1,64}", re.ASCII)


def policies(verbs: Mapping[str, Declared]) -> Check:
    """Return the check of the section, whose rules may name `verbs`; it returns Policies."""
    rule = _rule(verbs)
    section = mapping(
        {
            "freeze_on_discrepancy": boolean,
            "new_bots": one_of(("refused", "limited")),
            "rules": lambda value: tuple(entries(value, rule)),
        }
    )
    return lambda value: Policies(**section(value))


def rule_fields(verbs: Mapping[str, Declared]) -> dict[str, Check]:
    """Return what a rule may have, with the check of each."""
    return {
        "match": mapping(dict.fromkeys(_MATCH, _pattern)),
        "verbs": listed(one_of(verbs)),
        "currencies": listed(currency_code),
        "largest": _amounts,
        "budgets": listed(_budget(verbs)),
        "calls": listed(_calls),
        "refunds": one_of(("any", "own_payments")),
        "approval_above": _amounts,
    }


def budget_fields(verbs: Mapping[str, Declared]) -> dict[str, Check]:
    """Return what a budget may have, with the check of each."""
    return {
        "per": _window,
        "amount": lambda value: value,  # it needs its currency
        "currency": currency_code,
        "shared": boolean,
        "refunds_restore": boolean,
        "verbs": listed(one_of(sorted(v.name for v in verbs.values() if v.moves != "none"))),
    }


def _rule(verbs: Mapping[str, Declared]) -> Any:
    fields = mapping(rule_fields(verbs))

    def check(name: str, value: object) -> PolicyRule:
        faults: Faults = []
        if why := wrong_name(name):
            faults.append(((), f"the rule {why}"))
        try:
            rule = _made(name, fields(value))
        except Wrong as error:
            faults += error.faults
        if faults:
            raise Wrong(faults)
        return rule

    return check


def _made(name: str, given: dict[str, Any]) -> PolicyRule:
    """Return a rule that says one thing."""
    match, refunds = given.pop("match", {}), given.pop("refunds", "any")
    limits = given.pop("calls", ())
    for field in given.keys() & {"verbs", "currencies"}:
        given[field] = frozenset(given[field])
    own = refunds == "own_payments"
    rule = PolicyRule(name, **match, **given, call_limits=limits, own_payments_only=own)
    if rule == PolicyRule(name, **match):
        raise wrong("limits nothing; add verbs, largest, budgets, …, or remove the rule")
    budgets = [(b.per, b.currency, b.shared) for b in rule.budgets]
    calls = [(c.per, c.shared) for c in rule.call_limits]
    for field, found in (("budgets", budgets), ("calls", calls)):
        for per, *_ in _repeated(found):
            raise wrong(f"has two {field} of one kind for the same {per}; keep the lower one")
    return rule


def _budget(verbs: Mapping[str, Declared]) -> Check:
    fields = mapping(budget_fields(verbs), needed=("per", "amount", "currency"))

    def check(value: object) -> Budget:
        given = fields(value)
        named = frozenset(given.pop("verbs")) if "verbs" in given else None
        if given.get("refunds_restore") and any(verbs[name].gives_back for name in named or ()):
            raise wrong("counts refunds and gives them back as well; choose one of the two")
        amount = _amount(given.pop("amount"), given["currency"])
        return Budget(**given, amount_minor=amount, verbs=named)

    return check


def _calls(value: object) -> CallLimit:
    given = _CALLS(value)
    return CallLimit(given["per"], given["limit"], given.get("shared", False))


def _pattern(value: object) -> str:
    if isinstance(value, str) and _PATTERN.fullmatch(value) and redact(value) == value:
        return value
    raise wrong(
        f"is {shown(value)}; use letters, digits, '_', '-', '.' and the wildcards * (anything) "
        "and ? (one character)"
    )


def _amount(value: object, currency: str) -> int:
    # Numbers are text here: what a reader gives as anything else was never a number.
    if not isinstance(value, str):
        raise wrong(f"is {shown(value)}, not an amount such as 19.99")
    try:
        return limit_to_minor(value, currency)
    except InvalidAmountError as error:
        raise wrong(f"is wrong: {error}") from None


def _amounts(value: object) -> dict[str, int]:
    if not isinstance(value, Mapping) or not value:
        raise wrong(f"is {shown(value)}; write amounts by currency, such as {{usd: 500}}")
    found = entries(value, _in_currency)
    if repeated := _repeated(code for code, _ in found):
        raise wrong(f"has {', '.join(repeated)} twice; keep one of them")
    return dict(found)


def _in_currency(name: str, value: object) -> tuple[str, int]:
    code = currency_code(name)
    return code, _amount(value, code)


def _repeated(values: Iterable[Any]) -> list[Any]:
    return [value for value, count in Counter(values).items() if count > 1]


_MATCH: Final = ("domain", "region", "business_category", "bot_name")
_window: Final = one_of(("hour", "day", "month"))
CALL_FIELDS: Final[dict[str, Check]] = {
    "per": _window,
    "limit": whole_number(),
    "shared": boolean,
}
_CALLS: Final = mapping(CALL_FIELDS, needed=("per", "limit"))
