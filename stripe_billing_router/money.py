"""Amounts: major units at the border, integer minor units inside, nothing ever rounded.

The currency tables follow Stripe's "Supported currencies" page, which differs from ISO 4217:
ISK and UGX have no minor unit, yet Stripe expects their amounts times 100; the three-decimal
currencies must end in a zero.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple, NoReturn

from .errors import InvalidAmountError
from .redaction import shown


class Currency(NamedTuple):
    """How Stripe counts one currency.

    `exponent`: decimal places between major and Stripe's minor unit. `step`: Stripe accepts only
    multiples of this many minor units. `maximum`: the largest amount Stripe takes, in minor units.
    """

    code: str
    exponent: int
    step: int
    maximum: int


_TWO_DECIMAL = """
    aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp byn
    bzd cad cdf chf clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd
    gnf gtq gyd hkd hnl htg huf idr ils inr isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak
    lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd
    omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr sek sgd shp sle sos srd std
    szl thb tjs tnd top try ttd twd tzs uah ugx usd uyu uzs vnd vuv wst xaf xcd xof xpf yer zar
    zmw
""".split()
_ZERO_DECIMAL = frozenset("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split())
_THREE_DECIMAL = frozenset("bhd jod kwd omr tnd".split())
_WHOLE_UNITS_SENT_WITH_TWO_DECIMALS = frozenset("isk ugx".split())
_EIGHT_DIGITS = 99_999_999
_MAXIMUM = {"idr": 999_999_999_999}


def _currency(code: str) -> Currency:
    exponent = 0 if code in _ZERO_DECIMAL else 3 if code in _THREE_DECIMAL else 2
    step = 10 if exponent == 3 else 100 if code in _WHOLE_UNITS_SENT_WITH_TWO_DECIMALS else 1
    return Currency(code, exponent, step, _MAXIMUM.get(code, _EIGHT_DIGITS))


CURRENCIES: Final = {code: _currency(code) for code in _TWO_DECIMAL}

_PLAIN_DECIMAL = re.compile(r"-?[0-9]{1,40}(?:\.[0-9]{1,40})?", re.ASCII)
_MOST_DIGITS = 40
_HIGHEST_LIMIT = 10**15


def currency(code: object) -> Currency:
    """Return how Stripe counts the currency named by the three-letter `code`, in any case.

    Raises InvalidAmountError for what is not a currency that Stripe supports.
    """
    known = CURRENCIES.get(code.lower()) if isinstance(code, str) and len(code) == 3 else None
    if known is not None:
        return known
    close = difflib.get_close_matches(str(code).lower()[:10], CURRENCIES, 1) if code else []
    hint = f"did you mean {close[0]!r}?" if close else "give a three-letter code such as 'usd'."
    raise InvalidAmountError(
        f"{shown(code)} is not a currency that Stripe supports; {hint}",
        parameter="currency",
        suggestion=close[0] if close else None,
    )


def to_minor(amount: object, currency_code: str) -> int:
    """Return `amount` (major units) as Stripe's integer minor units, exactly.

    `amount` is a Decimal, an int, a float (taken at its printed value) or a string of plain
    ASCII digits with at most one point. Raises InvalidAmountError for anything that cannot be
    charged exactly: a fraction of a minor unit, zero, a negative value, NaN, infinity, a
    boolean, or more than Stripe's maximum.
    """
    unit = currency(currency_code)
    minor = _in_minor_units(amount, unit)
    if minor == 0:
        _refuse(amount, "is zero; charge a positive amount.")
    if minor > unit.maximum:
        _refuse(
            amount,
            f"is more than Stripe's maximum of {format(to_major(unit.maximum, unit.code), 'f')} "
            f"{unit.code}; split the payment.",
        )
    return minor


def limit_to_minor(amount: object, currency_code: str) -> int:
    """Return a limit (major units, as for `to_minor`) in minor units, exactly.

    Unlike a payment a limit may be zero, or more than Stripe takes at once; InvalidAmountError
    beyond 10**15 minor units.
    """
    minor = _in_minor_units(amount, currency(currency_code))
    if minor > _HIGHEST_LIMIT:
        _refuse(amount, "is too much for a limit; leave the limit out instead.")
    return minor


def canonical_amount(amount: object) -> str:
    """Return `amount` (major units) as its one plain decimal text: 19.990 and 19.99 are equal.

    Raises InvalidAmountError as `to_minor` does, but for what depends on a currency.
    """
    digits, exponent = _exact(amount)
    if exponent < -_MOST_DIGITS:
        _refuse(amount, "has more decimal places than any currency; round it yourself.")
    if digits.bit_length() > 4 * _MOST_DIGITS:
        _refuse(amount, "is more than Stripe's maximum; split the payment.")
    return format(Decimal((0, tuple(int(d) for d in str(digits)), exponent)), "f")


def to_major(minor: int, currency_code: str) -> Decimal:
    """Return `minor` (Stripe's minor units, of either sign) in major units, exactly."""
    return Decimal(f"{minor:d}E-{currency(currency_code).exponent}")


def amounts_as_text(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields as JSON can hold them: decimals as their digits, all else as it is."""
    return {name: str(v) if isinstance(v, Decimal) else v for name, v in fields.items()}


def _in_minor_units(amount: object, unit: Currency) -> int:
    digits, exponent = _exact(amount)
    minor = _scaled(digits, exponent + unit.exponent)
    if minor is None or minor % unit.step:
        _refuse(
            amount,
            f"is finer than {unit.code} allows; "
            f"round it yourself to a multiple of {format(to_major(unit.step, unit.code), 'f')}.",
        )
    return minor


def _exact(amount: object) -> tuple[int, int]:
    """Return `(digits, exponent)` so that the amount is digits * 10**exponent, or refuse it."""
    if isinstance(amount, bool):
        _refuse(amount, "is a boolean; give a number such as '19.99'.")
    if isinstance(amount, int):
        return _positive(amount, int.__int__(amount)), 0
    if isinstance(amount, float):
        return _exact_decimal(amount, Decimal(float.__repr__(amount)))
    if isinstance(amount, str):
        if not _PLAIN_DECIMAL.fullmatch(amount):
            _refuse(amount, "is not a plain decimal number; write it like '19.99'.")
        return _exact_decimal(amount, Decimal(amount))
    if isinstance(amount, Decimal):
        return _exact_decimal(amount, Decimal(amount))
    _refuse(amount, "is not an amount; give a Decimal, int, str or float such as '19.99'.")


def _exact_decimal(amount: object, value: Decimal) -> tuple[int, int]:
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        _refuse(amount, "is not a finite number; give one such as '19.99'.")
    if not any(digits):
        return 0, 0
    if value.adjusted() > _MOST_DIGITS:
        _refuse(amount, "is more than Stripe's maximum; split the payment.")
    while digits[-1] == 0:
        digits, exponent = digits[:-1], exponent + 1
    if len(digits) > 2 * _MOST_DIGITS:
        _refuse(amount, "has more decimal places than any currency; round it yourself.")
    return _positive(amount, -1 if sign else int("".join(map(str, digits)))), exponent


def _positive(amount: object, value: int) -> int:
    if value < 0:
        _refuse(amount, "is negative; charge a positive amount, or use refund() to give back.")
    return value


def _scaled(digits: int, exponent: int) -> int | None:
    """Return digits * 10**exponent where that is a whole number, else None."""
    if exponent >= 0:
        return digits * 10**exponent if digits else 0
    if -exponent > 2 * _MOST_DIGITS:
        return None
    whole, rest = divmod(digits, int(10**-exponent))
    return None if rest else whole


def _refuse(amount: object, why: str) -> NoReturn:
    raise InvalidAmountError(f"The amount {shown(amount)} {why}", parameter="amount")
