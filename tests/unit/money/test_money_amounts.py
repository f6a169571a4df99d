"""Amounts are exact or refused, in every currency and every type."""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stripe_billing_router.errors import InvalidAmountError
from stripe_billing_router.money import CURRENCIES, currency, limit_to_minor, to_major, to_minor
from tests.unit.money.million_amounts import Amount, actual_minor, expected_minor, run

codes = st.sampled_from(sorted(CURRENCIES))
texts = st.one_of(
    st.from_regex(r"-?[0-9]{1,12}(\.[0-9]{1,5})?", fullmatch=True),
    st.from_regex(r"[0-9]{1,45}(\.[0-9]{1,45})?", fullmatch=True),
    st.text(max_size=12),
)
decimals = st.one_of(
    st.decimals(allow_nan=True, allow_infinity=True),
    st.decimals(min_value=0, max_value=10**10, places=2),
    st.decimals(min_value=0, max_value=10**10, places=3),
)
floats = st.one_of(
    st.floats(),
    st.integers(1, 10**10).map(lambda cents: cents / 100),
    st.integers(1, 10**10).map(lambda thousandths: thousandths / 1000),
)
amounts = st.one_of(texts, decimals, st.integers(), st.integers(1, 10**9), floats)


@settings(max_examples=1000, deadline=None)
@given(amounts, codes)
@example("19.99", "usd")
@example(19.99, "usd")
@example(1e-7, "usd")
@example(Decimal("1E+5"), "jpy")
@example(Decimal("1E+999999"), "usd")
@example(Decimal("1E-999999"), "usd")
@example(10**5000, "usd")
def test_an_amount_is_exact_or_refused(amount: Amount, code: str) -> None:
    """No amount is rounded, and nothing but InvalidAmountError refuses one."""
    assert actual_minor(amount, code) == expected_minor(amount, code)


@settings(max_examples=300, deadline=None)
@given(codes, st.data())
def test_minor_units_survive_the_way_to_major_units_and_back(code: str, data: Any) -> None:
    unit = currency(code)
    minor = unit.step * data.draw(st.integers(1, unit.maximum // unit.step))
    major = to_major(minor, code)
    assert to_minor(major, code) == minor
    assert to_minor(str(major), code) == minor
    assert to_minor(float(major), code) == minor


def test_twenty_thousand_generated_amounts_agree_with_the_fractions() -> None:
    """The small edition of million_amounts.py, which is to be run by hand."""
    result = run(20_000, seed=7)
    assert result.wrong == []
    assert result.exact > 3000
    assert result.refused > 3000


def test_every_cent_amount_as_a_float_comes_out_exactly() -> None:
    """`int(19.99 * 100)` is 1998; so it is for 9,174 of the first 200,000 cent amounts."""
    assert all(to_minor(cents / 100, "usd") == cents for cents in range(1, 200_001))


@pytest.mark.parametrize(
    ("amount", "code", "minor"),
    [
        (19.99, "usd", 1999),
        ("19.99", "USD", 1999),
        (1000, "jpy", 1000),
        ("1.230", "kwd", 1230),
        (5, "isk", 500),
        ("5.00", "ugx", 500),
        ("999999.99", "usd", 99_999_999),
        (9_999_999_999, "idr", 999_999_999_900),
    ],
)
def test_stripes_own_table_decides(amount: Amount, code: str, minor: int) -> None:
    assert to_minor(amount, code) == minor


@pytest.mark.parametrize(
    ("amount", "code"),
    [
        ("1.234", "kwd"),
        ("0.5", "jpy"),
        ("5.50", "isk"),
        ("19.999", "usd"),
        ("1000000.00", "usd"),
        (True, "usd"),
        (0, "usd"),
        (-1, "usd"),
        (float("nan"), "usd"),
        (float("inf"), "usd"),
        ("", "usd"),
        (" 1", "usd"),
        ("1e3", "usd"),
        ("1_000", "usd"),
        ("1,000", "usd"),
        ("٣", "usd"),
        ("+1", "usd"),
        (".5", "usd"),
        (None, "usd"),
        (b"1", "usd"),
        ([1], "usd"),
        (1 + 0j, "usd"),
    ],
)
def test_what_cannot_be_charged_exactly_is_refused_with_a_mend(amount: Any, code: str) -> None:
    with pytest.raises(InvalidAmountError) as caught:
        to_minor(amount, code)
    assert caught.value.parameter == "amount"
    assert caught.value.money == "not_moved"
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize("code", ["", "us", "usdd", "xyz", None, 840, "u\u0455d", "ſek"])  # noqa: RUF001
def test_an_unknown_currency_is_refused(code: Any) -> None:
    with pytest.raises(InvalidAmountError) as caught:
        to_minor("1", code)
    assert caught.value.parameter == "currency"


def test_a_misspelt_currency_gets_a_suggestion() -> None:
    with pytest.raises(InvalidAmountError, match="did you mean 'eur'") as caught:
        currency("euro"[:2] + "o")
    assert caught.value.suggestion == "eur"


@settings(max_examples=200, deadline=None)
@given(amounts, codes, st.integers(1, 6))
def test_the_callers_decimal_context_changes_nothing(
    amount: Amount, code: str, precision: int
) -> None:
    """A host that works with few digits still charges exactly."""
    wanted = expected_minor(amount, code)
    with localcontext() as context:
        context.prec = precision
        assert actual_minor(amount, code) == wanted


@settings(max_examples=300, deadline=None)
@given(amounts, codes)
def test_a_limit_is_as_exact_as_a_payment(amount: Amount, code: str) -> None:
    expected = actual_minor(amount, code)
    if isinstance(expected, int):
        assert limit_to_minor(amount, code) == expected


def test_a_limit_may_be_zero_or_more_than_one_payment() -> None:
    assert limit_to_minor("0", "usd") == limit_to_minor("0.00", "kwd") == 0
    assert limit_to_minor("250000000.01", "usd") == 25_000_000_001
    assert limit_to_minor(10**13, "usd") == 10**15


@pytest.mark.parametrize("amount", [10**13 + 1, "1" * 40, "-1", "0.001", "NaN", True, None, ""])
def test_what_is_no_limit_is_refused(amount: Any) -> None:
    with pytest.raises(InvalidAmountError):
        limit_to_minor(amount, "usd")


@pytest.mark.parametrize("minor", ["1999", 1999.0, Decimal(1999), None])
def test_what_is_no_whole_number_has_no_major_units(minor: Any) -> None:
    with pytest.raises((ArithmeticError, TypeError, ValueError)):
        to_major(minor, "usd")


def test_a_number_that_computes_otherwise_is_taken_at_what_it_is() -> None:
    class Whole(int):
        def __mul__(self, other: object) -> int:
            return 999_999

        def __lt__(self, other: object) -> bool:
            return False

    class Exact(Decimal):
        def as_tuple(self) -> Any:
            return Decimal(9999).as_tuple()

    assert to_minor(Whole(5), "usd") == to_minor(Exact(5), "usd") == 500
    with pytest.raises(InvalidAmountError):
        to_minor(Whole(-5), "usd")
