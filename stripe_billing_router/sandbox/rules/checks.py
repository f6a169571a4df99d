"""Rules for values that several resources share: amounts, currencies, metadata."""

from __future__ import annotations

from ...errors import InvalidAmountError
from ...money import CURRENCIES, Currency, currency, to_major
from ..failures import StripeFailure, invalid
from ..wire import Json

_MINIMUM = {
    "aed": 200,
    "aud": 50,
    "bgn": 100,
    "brl": 50,
    "cad": 50,
    "chf": 50,
    "czk": 1500,
    "dkk": 250,
    "eur": 50,
    "gbp": 30,
    "hkd": 400,
    "huf": 17500,
    "inr": 50,
    "jpy": 50,
    "mxn": 1000,
    "myr": 200,
    "nok": 300,
    "nzd": 50,
    "pln": 200,
    "ron": 200,
    "sek": 300,
    "sgd": 50,
    "thb": 1000,
    "usd": 50,
}
"""Smallest charge in minor units, per Stripe's "Supported currencies" page; others: 1."""

_MOST_KEYS, _LONGEST_KEY, _LONGEST_VALUE = 50, 40, 500


def known_currency(code: str, param: str = "currency") -> Currency:
    """Return how Stripe counts `code` (any case); StripeFailure (400) if it does not know it."""
    try:
        return currency(code)
    except InvalidAmountError:
        some = ", ".join(sorted(CURRENCIES)[:8])
        raise invalid(f"Invalid currency: {code}. Some that work: {some}, …", param) from None


def charge_amount(amount: int, code: str, param: str = "amount") -> int:
    """Return `amount` (minor units) if it can be charged; StripeFailure (400) if not."""
    unit = known_currency(code)
    positive(amount, param)
    if amount > unit.maximum:
        raise _bounded("no more than", unit.maximum, unit, param, "amount_too_large")
    smallest = minimum(code)
    if amount < smallest:
        raise _bounded("at least", smallest, unit, param, "amount_too_small")
    return stepped(amount, unit, param)


def minimum(code: str) -> int:
    """Return the smallest charge of a currency, in minor units."""
    return _MINIMUM.get(code.lower(), 1)


def positive(amount: int, param: str = "amount") -> int:
    """Return `amount` if it is at least 1; StripeFailure (400) if not."""
    if amount < 1:
        message = "This value must be greater than or equal to 1."
        raise invalid(message, param, "parameter_invalid_integer")
    return amount


def stepped(amount: int, unit: Currency, param: str = "amount") -> int:
    """Return `amount` if the currency has it: ISK and UGX go in hundreds, KWD in tens."""
    if amount % unit.step:
        message = f"Amounts in {unit.code} must be divisible by {unit.step}."
        raise invalid(message, param, "invalid_charge_amount")
    return amount


def _bounded(bound: str, amount: int, unit: Currency, param: str, code: str) -> StripeFailure:
    text = f"{to_major(amount, unit.code)} {unit.code}"
    return invalid(f"Amount must be {bound} {text}", param, code)


def merged_metadata(params: Json, old: Json | None = None, param: str = "metadata") -> Json:
    """Return the metadata after a request: new keys added, empty ones removed, `""` clears all."""
    given = params.get("metadata", {})
    if given == "":
        return {}
    merged = {**(old or {}), **given}
    kept = {name: value for name, value in merged.items() if value != ""}
    _check_metadata(kept, param)
    return kept


def _check_metadata(metadata: Json, param: str) -> None:
    if len(metadata) > _MOST_KEYS:
        message = f"Metadata can have up to {_MOST_KEYS} keys, but you've set {len(metadata)}."
        raise invalid(message, param)
    for name, value in metadata.items():
        if len(name) > _LONGEST_KEY:
            raise invalid(f"Metadata keys have at most {_LONGEST_KEY} characters.", param)
        if len(value) > _LONGEST_VALUE:
            message = f"Metadata values have at most {_LONGEST_VALUE} characters."
            raise invalid(message, f"{param}[{name}]")
