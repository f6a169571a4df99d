"""The `policies` section of the routing file: amounts in major units, exact, as text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Final, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    PlainValidator,
    ValidationInfo,
    model_validator,
)

from ..errors import InvalidAmountError
from ..models import Budget, CallLimit, NewBots, Policies, PolicyRule, Window
from ..money import limit_to_minor
from ..redaction import redact, shown
from ..routing import wrong_name
from .scalars import STRICT, boolean, currency_code, filled_list, one_of, whole_number, wrong

_PATTERN: Final = re.compile(r"[A-Za-z0-9_.\-*?]{1,64}", re.ASCII)


def _pattern(value: object) -> str:
    if isinstance(value, str) and _PATTERN.fullmatch(value) and redact(value) == value:
        return value
    raise wrong(
        f"is {shown(value)}; use letters, digits, '_', '-', '.' and the wildcards * (anything) "
        "and ? (one character)"
    )


def _rule_name(value: object) -> str:
    why = wrong_name(value)
    if why is not None:
        raise wrong(f"the rule {why}")
    return str(value)


def _amount(value: object, currency: str) -> int:
    # Numbers are text here: what a reader gives as anything else was never a number.
    if not isinstance(value, str):
        raise wrong(f"is {shown(value)}, not an amount such as 19.99")
    try:
        return limit_to_minor(value, currency)
    except InvalidAmountError as error:
        raise wrong(f"is wrong: {error}") from None


def _by_currency(value: object) -> object:
    """Put each currency beside its amount, so that each fault has the path of its own entry."""
    if not isinstance(value, Mapping) or not value:
        raise wrong(f"is {shown(value)}; write amounts by currency, such as {{usd: 500}}")
    return {name: (name, amount) for name, amount in value.items()}


def _entry(pair: tuple[object, object]) -> tuple[str, int]:
    code = currency_code(pair[0])
    return code, _amount(pair[1], code)


def _once(entries: Mapping[str, tuple[str, int]]) -> dict[str, int]:
    repeated = _repeated(code for code, _ in entries.values())
    if repeated:
        raise wrong(f"has {', '.join(repeated)} twice; keep one of them")
    return dict(entries.values())


def _repeated(values: Iterable[Any]) -> list[Any]:
    return [value for value, count in Counter(values).items() if count > 1]


def _any_verb(value: object, info: ValidationInfo) -> str:
    """The context of the validation are the verbs that there are."""
    return one_of(info.context or ())(value)


def _budgeted_verb(value: object, info: ValidationInfo) -> str:
    verbs = (info.context or {}).values()
    return one_of(sorted(verb.name for verb in verbs if verb.moves != "none"))(value)


_Pattern = Annotated[str, PlainValidator(_pattern)]
_Currency = Annotated[str, PlainValidator(currency_code)]
_Boolean = Annotated[bool, PlainValidator(boolean)]
_Window = Annotated[Window, PlainValidator(one_of(("hour", "day", "month")))]
_Count = Annotated[int, PlainValidator(whole_number)]
_AnyVerb = Annotated[str, PlainValidator(_any_verb)]
_BudgetedVerb = Annotated[str, PlainValidator(_budgeted_verb)]
_List: Final = BeforeValidator(filled_list)
_Amounts = Annotated[
    dict[str, Annotated[Any, PlainValidator(_entry)]],
    BeforeValidator(_by_currency),
    AfterValidator(_once),
]


class MatchSection(BaseModel):
    """Whom a rule matches; what is left out matches everything."""

    model_config = STRICT

    domain: _Pattern = "*"
    region: _Pattern = "*"
    business_category: _Pattern = "*"
    bot_name: _Pattern = "*"


class BudgetSection(BaseModel):
    """One budget of a rule."""

    model_config = STRICT

    per: _Window
    amount: Any
    currency: _Currency
    shared: _Boolean = False
    refunds_restore: _Boolean = False
    verbs: Annotated[frozenset[_BudgetedVerb] | None, _List] = None

    @model_validator(mode="after")
    def _makes_a_budget(self, info: ValidationInfo) -> Self:
        known = info.context or {}
        if self.refunds_restore and any(known[name].gives_back for name in self.verbs or ()):
            raise wrong("counts refunds and gives them back as well; choose one of the two")
        _amount(self.amount, self.currency)
        return self

    def budget(self) -> Budget:
        return Budget(
            per=self.per,
            amount_minor=_amount(self.amount, self.currency),
            currency=self.currency,
            shared=self.shared,
            refunds_restore=self.refunds_restore,
            verbs=self.verbs,
        )


class CallsSection(BaseModel):
    """One limit of calls of a rule."""

    model_config = STRICT

    per: _Window
    limit: _Count
    shared: _Boolean = False

    def call_limit(self) -> CallLimit:
        return CallLimit(self.per, self.limit, self.shared)


class RuleSection(BaseModel):
    """One rule."""

    model_config = STRICT

    match: MatchSection = MatchSection()
    verbs: Annotated[frozenset[_AnyVerb] | None, _List] = None
    currencies: Annotated[frozenset[_Currency] | None, _List] = None
    largest: _Amounts = Field(default_factory=dict)
    budgets: Annotated[tuple[BudgetSection, ...], _List] = ()
    calls: Annotated[tuple[CallsSection, ...], _List] = ()
    refunds: Annotated[str, PlainValidator(one_of(("any", "own_payments")))] = "any"
    approval_above: _Amounts = Field(default_factory=dict)

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if self.rule("") == PolicyRule("", **self.match.model_dump()):
            raise wrong("limits nothing; add verbs, largest, budgets, …, or remove the rule")
        budgets = [(b.per, b.currency, b.shared) for b in self.budgets]
        calls = [(c.per, c.shared) for c in self.calls]
        for field, found in (("budgets", budgets), ("calls", calls)):
            for per, *_ in _repeated(found):
                raise wrong(f"has two {field} of one kind for the same {per}; keep the lower one")
        return self

    def rule(self, name: str) -> PolicyRule:
        return PolicyRule(
            name=name,
            **self.match.model_dump(),
            verbs=self.verbs,
            currencies=self.currencies,
            largest=self.largest,
            budgets=tuple(budget.budget() for budget in self.budgets),
            call_limits=tuple(calls.call_limit() for calls in self.calls),
            own_payments_only=self.refunds == "own_payments",
            approval_above=self.approval_above,
        )


class PoliciesSection(BaseModel):
    """The whole section."""

    model_config = STRICT

    freeze_on_discrepancy: _Boolean = False
    new_bots: Annotated[NewBots | None, PlainValidator(one_of(("refused", "limited")))] = None
    rules: dict[Annotated[str, PlainValidator(_rule_name)], RuleSection] = Field(
        default_factory=dict
    )

    def policies(self) -> Policies:
        rules = tuple(rule.rule(name) for name, rule in self.rules.items())
        return Policies(rules, self.freeze_on_discrepancy, self.new_bots)


def known_fields(path: Sequence[object]) -> tuple[str, ...]:
    """Return the names that may stand at a path below `policies`."""
    inside: type[BaseModel]
    match [str(part) for part in path]:
        case ["rules", _]:
            inside = RuleSection
        case ["rules", _, "match"]:
            inside = MatchSection
        case ["rules", _, "budgets", _]:
            inside = BudgetSection
        case ["rules", _, "calls", _]:
            inside = CallsSection
        case _:
            inside = PoliciesSection
    return tuple(inside.model_fields)
