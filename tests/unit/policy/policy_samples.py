"""Rules and calls that the policy tests share."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st

from stripe_billing_router.errors import PolicyViolationError
from stripe_billing_router.models import BotId, Budget, CallLimit, Policies, PolicyRule
from stripe_billing_router.policy import Demands, Facts, demands
from stripe_billing_router.providers.stripe.verbs import VERBS

BOT = "finance:fee_collector"


def facts(
    amount: int | None = 1000,
    currency: str | None = "usd",
    *,
    bot: str = BOT,
    verb: str = "charge",
    region: str = "default",
) -> Facts:
    return Facts(BotId.parse(bot), VERBS[verb], region, amount, currency)


def policies(*rules: PolicyRule) -> Policies:
    return Policies(rules)


def rule(name: str = "r", **limits: Any) -> PolicyRule:
    return PolicyRule(name, **limits)


def refused(with_policies: Policies, by: Facts) -> PolicyViolationError:
    """Ask for a call that has to be refused, and look at what every refusal keeps."""
    with pytest.raises(PolicyViolationError) as caught:
        demands(with_policies, by)
    error = caught.value
    assert error.rule is not None
    assert error.rule in str(error)
    assert error.money == "not_moved"
    assert str(error).endswith("in the routing file.")
    return error


def asked(with_policies: Policies, by: Facts) -> Demands | None:
    """What is demanded of a call, or None if it is refused."""
    try:
        return demands(with_policies, by)
    except PolicyViolationError:
        return None


currencies = st.sampled_from(["usd", "eur", "jpy"])
windows = st.sampled_from(["hour", "day", "month"])
minor = st.integers(0, 40)
verbs = st.frozensets(st.sampled_from(sorted(VERBS)), min_size=1)
budgets = st.builds(
    Budget,
    per=windows,
    amount_minor=minor,
    currency=currencies,
    shared=st.booleans(),
    refunds_restore=st.booleans(),
    verbs=verbs,
)
call_limits = st.builds(CallLimit, per=windows, calls=st.integers(0, 5), shared=st.booleans())


def patterns(name: str) -> st.SearchStrategy[str]:
    return st.sampled_from(["*", name, f"{name[0]}*", f"?{name[1:]}", "other"])


rules = st.builds(
    PolicyRule,
    name=st.sampled_from(["a", "b", "c", "d"]),
    domain=patterns("stripe"),
    region=patterns("default"),
    business_category=patterns("finance"),
    bot_name=patterns("fee_collector"),
    verbs=st.none() | verbs,
    currencies=st.none() | st.frozensets(currencies, min_size=1),
    largest=st.dictionaries(currencies, minor, max_size=2),
    budgets=st.lists(budgets, max_size=2).map(tuple),
    call_limits=st.lists(call_limits, max_size=2).map(tuple),
    own_payments_only=st.booleans(),
    approval_above=st.dictionaries(currencies, minor, max_size=2),
)
calls = st.builds(
    Facts,
    bot=st.sampled_from([BOT, f"stripe:{BOT}", f"acme:{BOT}"]).map(BotId.parse),
    verb=st.sampled_from(list(VERBS.values())),
    region=st.sampled_from(["default", "eu"]),
    amount_minor=st.none() | minor,
    currency=st.none() | currencies,
)
