"""Whatever is passed: an error of this library that says what to do, or a payment."""

from __future__ import annotations

import re
from collections import UserString
from collections.abc import Callable
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from stripe_billing_router.client import BillingRouter
from stripe_billing_router.errors import BillingError, InvalidRequestError
from stripe_billing_router.models import Charge
from stripe_billing_router.stripe_parameters import declared
from tests.integration.charge.charge_bench import BOT, Bench

ARGUMENTS = (
    "bot_id",
    "amount",
    "description",
    "price_id",
    "quantity",
    "customer_id",
    "payment_method_id",
    "on_session",
    "overrides",
    "idempotency_key",
    "metadata",
)
PARAMETERS = sorted(declared("PaymentIntentCreateParams"))

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.decimals()
    | st.text()
    | st.text(alphabet=st.characters(codec=None, categories=None))
    | st.binary()
    | st.sampled_from(["acct_other", "cus_1", "pm_1", "price_1", "usd", "finance:bot", "19.99"])
    | st.complex_numbers()
    | st.dates()
)
garbage = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner)
        | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3)
        | st.frozensets(st.integers(), max_size=2)
    ),
    max_leaves=8,
)
once = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


NO_HINT = "see Stripe's reference of the request"
"""How the refusal of a parameter ends that is like no other; its full stop has its own test."""


def clear(message: str) -> bool:
    """It says what is wrong and what to do, in whole sentences."""
    clauses = [part for part in re.split(r"[;.:?]\s", message) if len(part) > 3]
    return len(clauses) > 1 and message.endswith((".", "?"))


def answer(router: BillingRouter, call: dict[str, Any]) -> Charge | BillingError:
    try:
        return router.charge(**call)
    except BillingError as error:
        return error


def is_charged_or_refused(bench: Bench, router: BillingRouter, call: dict[str, Any]) -> None:
    before = len(bench.operations()), len(bench.world.requests)
    found = answer(router, call)
    if isinstance(found, BillingError):
        assert clear(str(found).replace(NO_HINT, f"{NO_HINT}."))
        assert len(str(found)) < 1000
    if isinstance(found, InvalidRequestError):
        assert found.money == "not_moved"
        assert (len(bench.operations()), len(bench.world.requests)) == before


@pytest.mark.parametrize("argument", ARGUMENTS)
def test_garbage_in_an_argument_is_refused_clearly(bench: Bench, argument: str) -> None:
    router = bench.warm()

    @once
    @given(garbage)
    def check(value: Any) -> None:
        is_charged_or_refused(bench, router, {"bot_id": BOT, "amount": 5, argument: value})

    check()


@once
@given(st.sampled_from(PARAMETERS), garbage)
def test_garbage_in_a_parameter_is_refused_clearly(bench: Bench, name: str, value: Any) -> None:
    router = bench.routers[-1] if bench.routers else bench.warm()
    is_charged_or_refused(bench, router, {"bot_id": BOT, "amount": 5, name: value})


@once
@given(st.dictionaries(st.text(max_size=30), scalars, min_size=1, max_size=2))
@example({"": 1})
@example({"amount_details.tip": 1})
@example({"metadata[x]": 1})
@example({"self": 1})
def test_garbage_as_a_parameter_s_name_is_refused_clearly(
    bench: Bench, params: dict[str, Any]
) -> None:
    if {"bot_id", "amount", "self"} & set(params):
        return
    router = bench.routers[-1] if bench.routers else bench.warm()
    is_charged_or_refused(bench, router, {"bot_id": BOT, "amount": 5, **params})


@once
@given(st.dictionaries(st.sampled_from(ARGUMENTS), garbage, min_size=2))
def test_garbage_in_many_arguments_is_refused_clearly(bench: Bench, call: dict[str, Any]) -> None:
    router = bench.routers[-1] if bench.routers else bench.warm()
    is_charged_or_refused(bench, router, {"bot_id": BOT, "amount": 5, **call})


class Hostile:
    """Nothing can be asked of it."""

    def _refuse(self, *_: object) -> Any:
        raise RuntimeError("hostile")

    __repr__ = __str__ = __bool__ = __len__ = __iter__ = _refuse
    __eq__ = _refuse
    __hash__ = None  # type: ignore[assignment]


class HostileText(str):
    """A string that shows itself only by raising."""

    __slots__ = ()

    def __repr__(self) -> str:
        raise RuntimeError("hostile")


class Count(IntEnum):
    TWO = 2


def endless() -> list[Any]:
    found: list[Any] = []
    found.append(found)
    return found


NASTY: dict[str, Callable[[], Any]] = {
    "signalling-nan": lambda: Decimal("sNaN"),
    "tiny": lambda: Decimal("1E-999999"),
    "huge": lambda: Decimal("1E+999999"),
    "huge-int": lambda: 10**5000,
    "huge-negative-int": lambda: -(10**5000),
    "long-text": lambda: "9" * 100_000,
    "surrogate": lambda: "\ud800",
    "null": lambda: "a\0b",
    "override-mark": lambda: "\u202egnp",
    "other-digits": lambda: "\uff11\uff12",
    "fraction": lambda: Fraction(1, 3),
    "user-string": lambda: UserString("5"),
    "enum": lambda: Count.TWO,
    "endless": endless,
    "hostile": Hostile,
    "hostile-text": lambda: HostileText("x" * 10),
    "hostile-inside": lambda: {"a": Hostile()},
    "class": lambda: int,
    "function": lambda: print,
    "iterator": lambda: iter([1]),
    "nan-inside": lambda: {"a": float("nan")},
    "signalling-inside": lambda: {"a": Decimal("sNaN")},
    "other-names": lambda: {1: "x", None: "y"},
    "too-deep": lambda: {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {}}}}}}}}}},
    "reference": lambda: {"$from": "payment_intent"},
    "placeholder": lambda: "{payment_intent}",
}


@pytest.mark.parametrize("nasty", NASTY)
def test_a_nasty_value_is_refused_clearly_wherever_it_is_put(bench: Bench, nasty: str) -> None:
    router = bench.warm()
    for name in (*ARGUMENTS, "shipping", "receipt_email", "amount_details", "unheard_of"):
        is_charged_or_refused(bench, router, {"bot_id": BOT, "amount": 5, name: NASTY[nasty]()})


@pytest.mark.parametrize(
    "value", ["cus_é", "cus_\uff41", "cus_a/../../b", "cus_?x=1", "cus_#", "cus_ "]
)
@pytest.mark.parametrize("argument", ["customer_id", "payment_method_id"])
def test_an_id_that_stripe_never_made_is_not_sent(bench: Bench, argument: str, value: str) -> None:
    router = bench.warm()
    found = value if argument == "customer_id" else value.replace("cus_", "pm_")
    call: dict[str, Any] = {argument: found}
    with pytest.raises(InvalidRequestError):
        router.charge(BOT, 5, on_session=True, **call)
    assert bench.untouched()


def test_a_parameter_without_a_near_name_is_refused_in_a_whole_sentence(bench: Bench) -> None:
    with pytest.raises(InvalidRequestError) as told:
        bench.router().charge(BOT, 5, zzzzzz=1)
    assert clear(str(told.value)), str(told.value)


@pytest.mark.parametrize(
    "given_metadata", [{str(n): "x" for n in range(48)}, {"a" * 40: "b" * 500}]
)
def test_metadata_fills_what_stripe_leaves(bench: Bench, given_metadata: dict[str, str]) -> None:
    done = bench.router().charge(BOT, 5, metadata=given_metadata)
    assert done.paid
    kept = bench.world.get(done.id)["metadata"]
    assert {**given_metadata, "bot_id": BOT, "operation_id": done.operation_id} == kept


@pytest.mark.parametrize(
    "wrong",
    [
        {str(n): "x" for n in range(49)},
        {"a" * 41: "b"},
        {"a": "b" * 501},
        {"a[b]": "c"},
        {"": "c"},
        {"a": None},
        {"a": ["b"]},
        {"a": 1.5},
    ],
)
def test_metadata_that_stripe_would_refuse_is_refused_before(bench: Bench, wrong: Any) -> None:
    with pytest.raises(InvalidRequestError):
        bench.router().charge(BOT, 5, metadata=wrong)
    assert bench.untouched()
