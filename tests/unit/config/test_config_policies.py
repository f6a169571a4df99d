"""The `policies` section: what it may say, and that every fault of it is told with its path."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from stripe_billing_router.bootstrap import routing_file
from stripe_billing_router.errors import ConfigurationError
from stripe_billing_router.models import Budget, CallLimit, Policies, PolicyRule
from tests.unit.config.config_samples import PLANTED, everything_shown, messages, refused, written

WHOLE = """
policies:
  freeze_on_discrepancy: true
  rules:
    collectors:
      match: {domain: stripe, region: "*", business_category: finance, bot_name: "*_collector"}
      verbs: [charge, refund]
      currencies: [usd, EUR]
      largest: {usd: 500, jpy: 1000}
      budgets:
        - {per: day, amount: 1000.50, currency: USD, shared: true, verbs: [charge]}
        - {per: day, amount: 0, currency: usd, refunds_restore: True}
        - {per: month, amount: 250000000, currency: jpy}
      calls: [{per: hour, limit: 100}, {per: hour, limit: 900, shared: true}]
      refunds: own_payments
      approval_above: {usd: 200.01}
    everyone: {refunds: any, approval_above: {kwd: 0}}
"""


def _policies(folder: Path, text: str) -> Policies:
    return routing_file(written(folder, text)).policies


def _faults(folder: Path, text: str) -> list[str]:
    return messages(refused(written(folder, text)))


def test_a_whole_section_is_read_in_minor_units(tmp_path: Path) -> None:
    collectors, everyone = _policies(tmp_path, WHOLE).rules
    assert collectors == PolicyRule(
        name="collectors",
        domain="stripe",
        business_category="finance",
        bot_name="*_collector",
        verbs=frozenset({"charge", "refund"}),
        currencies=frozenset({"usd", "eur"}),
        largest={"usd": 50_000, "jpy": 1000},
        budgets=(
            Budget("day", 100_050, "usd", shared=True, verbs=frozenset({"charge"})),
            Budget("day", 0, "usd", refunds_restore=True),
            Budget("month", 250_000_000, "jpy"),
        ),
        call_limits=(CallLimit("hour", 100), CallLimit("hour", 900, shared=True)),
        own_payments_only=True,
        approval_above={"usd": 20_001},
    )
    assert everyone == PolicyRule("everyone", approval_above={"kwd": 0})


def test_json_says_the_same(tmp_path: Path) -> None:
    """JSON has numbers and booleans of its own."""
    data = yaml.safe_load(WHOLE)
    (tmp_path / "r.json").write_text(json.dumps(data))
    assert routing_file(tmp_path / "r.json").policies == _policies(tmp_path, WHOLE)


@pytest.mark.parametrize("text", ["default_currency: usd", "policies:", "policies: {}"])
def test_a_file_without_policies_limits_nothing(tmp_path: Path, text: str) -> None:
    assert _policies(tmp_path, text) == Policies(rules=(), freeze_on_discrepancy=False)


FAULTY = f"""
policies:
  freeze_on_discrepency: true
  rules:
    "a b": {{verbs: [charge]}}
    {PLANTED}: {{verbs: [charge]}}
    one:
      match: {{domain: "[a-z]", region: , botname: x, business_category: {PLANTED}}}
      verbs: [chrage, 5, [charge]]
      currencies: [usdd]
      largest: {{usd: 1.005, jpy: 0.5, euro: 5, eur: -5, gbp: , chf: [5], kwd: {PLANTED}}}
      refunds: own_paymnts
      largests: {{usd: 5}}
    two:
      budgets:
        - {{per: week, amount: 5, currency: usd, verbs: [create_customer]}}
        - {{amount: 5, currency: usdd}}
        - {{per: day, amount: 1.001, currency: usd}}
        - {{per: day, amount: 1e3, currency: usd}}
        - {{per: day, amount: 5, currency: usd, verbs: [refund], refunds_restore: true}}
        - {{per: day, currency: usd, shared: sometimes, restore: true}}
        - x
      calls: [{{per: hour, limit: 1.5}}, {{per: day, limit: -1, calls: 5}}, 5]
      verbs: []
      currencies: usd
      approval_above: {{}}
    three: {{match: {{bot_name: x}}, refunds: any}}
    four:
    five: []
    six: {{verbs: , currencies: , largest: , budgets: , calls: , refunds: , approval_above: ,
      match: }}
    seven: {{largest: {{usd: 1, USD: 2}}}}
    eight:
      budgets: [{{per: day, amount: 1, currency: usd}}, {{per: day, amount: 2, currency: USD}}]
    nine: {{calls: [{{per: day, limit: 1}}, {{per: day, limit: 2}}]}}
    ten: {{budgets: [{{per: day, amount: 99999999999999, currency: usd}}]}}
"""

ALL_FAULTS = """
policies.rules.'a b': the rule is 'a b'; use letters, digits
policies.rules.'[redacted]': the rule holds a key
policies.rules.one.match.domain: is '[a-z]'; use letters, digits, '_', '-', '.' and the wildcards
policies.rules.one.match.region: is None; use letters
policies.rules.one.match.business_category: is '[redacted]'; use letters
policies.rules.one.match: 'botname' is unknown; did you mean bot_name?
policies.rules.one.verbs.0: is 'chrage'; did you mean charge?
policies.rules.one.verbs.1: is '5'; write one of charge, refund,
policies.rules.one.verbs.2: is ['charge']; write one of
policies.rules.one.currencies.0: is wrong: 'usdd' is not a currency that Stripe supports; did you
policies.rules.one.largest.usd: is wrong: The amount '1.005' is finer than usd allows
policies.rules.one.largest.jpy: is wrong: The amount '0.5' is finer than jpy allows
policies.rules.one.largest.euro: is wrong: 'euro' is not a currency that Stripe supports
policies.rules.one.largest.eur: is wrong: The amount '-5' is negative
policies.rules.one.largest.gbp: is None, not an amount such as 19.99
policies.rules.one.largest.chf: is ['5'], not an amount such as 19.99
policies.rules.one.largest.kwd: is wrong: The amount '[redacted]' is not a plain decimal number
policies.rules.one.refunds: is 'own_paymnts'; did you mean own_payments?
policies.rules.one: 'largests' is unknown; did you mean largest?
policies.rules.two.verbs: is empty; name at least one, or leave it out
policies.rules.two.currencies: is not a list but 'usd'
policies.rules.two.budgets.0.per: is 'week'; write one of hour, day, month
policies.rules.two.budgets.0.verbs.0: is 'create_customer'; write one of charge, create_checkout
policies.rules.two.budgets.1: per is missing
policies.rules.two.budgets.1.currency: is wrong: 'usdd' is not a currency that Stripe supports
policies.rules.two.budgets.2: is wrong: The amount '1.001' is finer than usd allows
policies.rules.two.budgets.3: is wrong: The amount '1e3' is not a plain decimal number
policies.rules.two.budgets.4: counts refunds and gives them back as well; choose one of the two
policies.rules.two.budgets.5: amount is missing
policies.rules.two.budgets.5.shared: is 'sometimes'; write true or false
policies.rules.two.budgets.5: 'restore' is unknown; did you mean refunds_restore?
policies.rules.two.budgets.6: is not a mapping of names to values
policies.rules.two.calls.0.limit: is '1.5', not a whole number such as 100
policies.rules.two.calls.1.limit: is '-1', not a whole number such as 100
policies.rules.two.calls.1: 'calls' is unknown; it has per, limit, shared
policies.rules.two.calls.2: is not a mapping of names to values
policies.rules.two.approval_above: is {}; write amounts by currency, such as {usd: 500}
policies.rules.three: limits nothing; add verbs, largest, budgets, …, or remove the rule
policies.rules.four: is not a mapping of names to values
policies.rules.five: is not a mapping of names to values
policies.rules.six.match: is not a mapping of names to values
policies.rules.six.verbs: is not a list but None
policies.rules.six.currencies: is not a list but None
policies.rules.six.largest: is None; write amounts by currency
policies.rules.six.budgets: is not a list but None
policies.rules.six.calls: is not a list but None
policies.rules.six.refunds: is None; write one of any, own_payments
policies.rules.six.approval_above: is None; write amounts by currency
policies.rules.seven.largest: has usd twice; keep one of them
policies.rules.eight: has two budgets of one kind for the same day; keep the lower one
policies.rules.nine: has two calls of one kind for the same day; keep the lower one
policies.rules.ten.budgets.0: is wrong: The amount '99999999999999' is too much for a limit
policies: 'freeze_on_discrepency' is unknown; did you mean freeze_on_discrepancy?
""".strip().splitlines()


def test_every_fault_is_told_with_its_path(tmp_path: Path) -> None:
    """What was meant as a limit and cannot be read must never be taken for no limit."""
    found = _faults(tmp_path, FAULTY)
    for told, start in zip(found, ALL_FAULTS, strict=False):
        assert told.startswith(start)
    assert len(found) == len(ALL_FAULTS)


@pytest.mark.parametrize("value", ["yes", "1", "on", "", "null", "[]"])
def test_true_and_false_are_the_only_booleans(tmp_path: Path, value: str) -> None:
    (fault,) = _faults(tmp_path, f"policies: {{freeze_on_discrepancy: {value}}}")
    assert fault.startswith("policies.freeze_on_discrepancy: ")


words = st.sampled_from(
    "rules match verbs charge currencies usd largest budgets per day amount currency shared calls "
    "limit refunds own_payments approval_above bot_name * freeze_on_discrepancy true".split()
)
leaves = st.one_of(
    *(words, st.just(PLANTED), st.none(), st.booleans(), st.integers(), st.text(max_size=6)),
    st.floats(allow_nan=False, allow_infinity=False),
)
garbage = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(words | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=20,
)
rule_like = st.dictionaries(
    st.sampled_from([*PolicyRule.__dataclass_fields__, "match", "calls", "refunds"]), garbage
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@settings(max_examples=300, deadline=None)
@given(section=garbage | st.fixed_dictionaries({"rules": st.dictionaries(words, rule_like)}))
def test_garbage_is_refused_with_a_path_or_means_what_it_says(folder: Path, section: Any) -> None:
    path = written(folder, json.dumps({"policies": section}), "f.json")
    found = Policies()
    told: list[ConfigurationError] = []
    try:
        found = routing_file(path).policies
    except ConfigurationError as error:
        told.append(error)
    assert PLANTED not in repr(found) + "".join(map(everything_shown, told))
    assert all(path.startswith("policies") for error in told for path, _ in error.faults)
    for rule in found.rules:
        assert rule != PolicyRule(rule.name), "a rule that limits nothing has to be refused"


amounts = st.decimals(0, 10**9, places=2)


@settings(deadline=None)
@given(amount=amounts, per=st.sampled_from(["hour", "day", "month"]))
def test_amounts_are_exact(folder: Path, amount: Any, per: str) -> None:
    budget = f"{{per: {per}, amount: {amount:f}, currency: usd}}"
    (rule,) = _policies(folder, f"policies: {{rules: {{r: {{budgets: [{budget}]}}}}}}").rules
    (found,) = rule.budgets
    assert found.amount_minor == int(amount * 100)


def test_what_of_new_bots_is_one_of_two_words(tmp_path: Path) -> None:
    assert _policies(tmp_path, "policies: {}").new_bots is None
    for word in ("refused", "limited"):
        assert _policies(tmp_path, f"policies: {{new_bots: {word}}}").new_bots == word
    (fault,) = _faults(tmp_path, "policies: {new_bots: forbidden}")
    assert fault.startswith("policies.new_bots: ")


def test_new_bots_is_one_of_two_words_in_code_as_well() -> None:
    wrong: Any = "limitted"
    with pytest.raises(ValueError, match="'limitted'; pass 'refused', 'limited' or None"):
        Policies(new_bots=wrong)
