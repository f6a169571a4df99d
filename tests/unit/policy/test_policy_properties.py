"""Every rule applies and the strictest wins, whatever the rules and calls are."""

from __future__ import annotations

from time import perf_counter

from hypothesis import given, settings
from hypothesis import strategies as st

from stripe_billing_router.models import BotId, Budget, CallLimit, Declared, Policies, PolicyRule
from stripe_billing_router.policy import Demands, Facts, demands, limits, matching
from tests.unit.policy.policy_samples import asked, call_limits, calls, facts, rules

some_rules = st.lists(rules, max_size=4)


def _taken(found: Demands) -> dict[tuple[str, str], int]:
    return {(part.counter, part.kind): part.limit for part in found.reservations}


@settings(deadline=None)
@given(some_rules, rules, calls)
def test_a_rule_added_never_allows_more(
    before: list[PolicyRule], added: PolicyRule, call: Facts
) -> None:
    less, more = asked(Policies(tuple(before)), call), asked(Policies((*before, added)), call)
    if more is None:
        return
    assert less is not None
    for counter, limit in _taken(less).items():
        assert _taken(more)[counter] <= limit
    assert less.approval is None or more.approval is not None
    assert less.own_payment is None or more.own_payment is not None


@settings(deadline=None)
@given(some_rules, calls)
def test_a_call_passes_if_every_rule_by_itself_lets_it_pass(
    together: list[PolicyRule], call: Facts
) -> None:
    alone = [asked(Policies((one,)), call) for one in together]
    found = asked(Policies(tuple(together)), call)
    assert (found is None) == (None in alone)
    if found is not None:
        parts = [part for one in alone if one for part in one.reservations]
        assert set(found.reservations) <= set(parts)
        for part in parts:
            assert _taken(found)[part.counter, part.kind] <= part.limit


@settings(deadline=None)
@given(some_rules, calls)
def test_the_order_of_the_rules_does_not_matter(given_rules: list[PolicyRule], call: Facts) -> None:
    ahead = asked(Policies(tuple(given_rules)), call)
    back = asked(Policies(tuple(reversed(given_rules))), call)
    assert (ahead is None) == (back is None)
    if ahead and back:
        assert _taken(ahead) == _taken(back)
        assert (ahead.approval is None) == (back.approval is None)


@settings(deadline=None)
@given(some_rules, calls, st.integers(0, 40))
def test_what_passes_passes_for_less_as_well(
    given_rules: list[PolicyRule], call: Facts, less: int
) -> None:
    if asked(Policies(tuple(given_rules)), call) is not None:
        smaller = Facts(call.bot, call.verb, call.region, 0, call.currency)
        assert asked(Policies(tuple(given_rules)), smaller) is not None
        if call.amount_minor is not None:
            smaller = Facts(
                *(call.bot, call.verb, call.region, min(less, call.amount_minor), call.currency)
            )
            assert asked(Policies(tuple(given_rules)), smaller) is not None


@settings(deadline=None)
@given(some_rules, calls)
def test_a_bot_is_one_bot_however_it_is_spelled(given_rules: list[PolicyRule], call: Facts) -> None:
    spelled = BotId.parse(f"{call.bot.domain}:{call.bot.category}:{call.bot.name}")
    same = Facts(spelled, call.verb, call.region, call.amount_minor, call.currency)
    assert asked(Policies(tuple(given_rules)), same) == asked(Policies(tuple(given_rules)), call)


@settings(deadline=None)
@given(some_rules, calls)
def test_what_is_counted_is_told_beforehand(given_rules: list[PolicyRule], call: Facts) -> None:
    found = asked(Policies(tuple(given_rules)), call)
    told = {limit.counter for limit in limits(Policies(tuple(given_rules)), *_who(call))}
    for part in found.reservations if found else ():
        assert part.kind == "restore" or part.counter in told


def _who(call: Facts) -> tuple[BotId, Declared, str]:
    return call.bot, call.verb, call.region


@settings(deadline=None)
@given(some_rules, calls)
def test_reservations_stand_in_the_order_of_their_counters(
    given_rules: list[PolicyRule], call: Facts
) -> None:
    """Two transactions that lock counters in two orders would wait for each other for ever."""
    found = asked(Policies(tuple(given_rules)), call)
    if found is not None:
        counters = [part.counter for part in found.reservations]
        assert counters == sorted(counters)


@settings(deadline=None)
@given(st.lists(call_limits, min_size=2, max_size=5))
def test_limits_that_count_by_one_counter_take_of_it_once(given_limits: list[CallLimit]) -> None:
    one = PolicyRule("a", call_limits=tuple(given_limits))
    parts = demands(Policies((one,)), facts()).reservations
    assert len(parts) == len({(limit.per, limit.shared) for limit in given_limits})
    lowest = min(limit.calls for limit in given_limits)
    assert lowest in [part.limit for part in parts]


def test_a_thousand_rules_do_not_slow_a_call() -> None:
    """They are compared with a bot once; a call asks those that match."""
    many = [PolicyRule(f"r{n}", bot_name=f"bot_{n}*", largest={"usd": 1}) for n in range(999)]
    mine = PolicyRule("mine", bot_name="fee_*", budgets=(Budget("day", 5000, "usd"),))
    policies, call = Policies((*many, mine)), facts()
    demands(policies, call)
    best = min(_seconds(policies, call) for _ in range(20))
    assert best < 0.0005


def _seconds(policies: Policies, call: Facts) -> float:
    start = perf_counter()
    for _ in range(10):
        demands(policies, call)
    return (perf_counter() - start) / 10


def test_what_is_remembered_is_of_the_same_policies() -> None:
    """Other policies that come to lie where old ones lay are not taken for them."""
    for number in range(6000):
        policies = Policies((PolicyRule(f"r{number}"),))
        (found,) = matching(policies, facts().bot, "default")
        assert found.name == f"r{number}"
