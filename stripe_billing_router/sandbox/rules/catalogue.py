"""Products and prices."""

from __future__ import annotations

from ..failures import StripeFailure, invalid
from ..state import AccountState
from ..wire import Json


def new_product(account: AccountState, name: str, product_id: str | None = None) -> Json:
    """Return a product with nothing but a name, not stored yet."""
    return {
        "id": product_id or account.ids.new("prod_", 14),
        "object": "product",
        "active": True,
        "created": account.now(),
        "default_price": None,
        "description": None,
        "images": [],
        "livemode": True,
        "marketing_features": [],
        "metadata": {},
        "name": name,
        "package_dimensions": None,
        "shippable": None,
        "statement_descriptor": None,
        "tax_code": None,
        "tax_details": None,
        "type": "service",
        "unit_label": None,
        "updated": account.now(),
        "url": None,
    }


def new_price(
    account: AccountState,
    product_id: str,
    unit_amount: int,
    currency: str,
    recurring: Json | None = None,
    price_id: str | None = None,
) -> Json:
    """Return a price of `unit_amount` (minor units) for one, not stored yet."""
    return {
        "id": price_id or account.ids.new("price_"),
        "object": "price",
        "active": True,
        "billing_scheme": "per_unit",
        "created": account.now(),
        "currency": currency.lower(),
        "custom_unit_amount": None,
        "livemode": True,
        "lookup_key": None,
        "metadata": {},
        "nickname": None,
        "product": product_id,
        "recurring": _recurring(recurring) if recurring else None,
        "tax_behavior": "unspecified",
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "recurring" if recurring else "one_time",
        "unit_amount": unit_amount,
        "unit_amount_decimal": str(unit_amount),
    }


def _recurring(given: Json) -> Json:
    plain = {
        "interval_count": 1,
        "meter": None,
        "trial_period_days": None,
        "usage_type": "licensed",
    }
    return {**plain, **given}


def usable_price(account: AccountState, price_id: str, param: str, kind: str | None = None) -> Json:
    """Return an active price; `kind`: `one_time` or `recurring`. StripeFailure (400) if not so."""
    price = account.require("price", price_id, param)
    if not price["active"]:
        raise invalid(
            "The price specified is inactive. This field only accepts active prices.", param
        )
    if kind and price["type"] != kind:
        raise _wrong_kind(price, kind, param)
    return price


def keep_options(account: AccountState, price: Json, options: dict[str, int]) -> None:
    """Give a price further amounts (minor units) by currency."""
    account.notes[price["id"]] = {"currency_options": options}


def amounts_of(account: AccountState, price: Json) -> dict[str, int]:
    """Return the amount for one (minor units) in every currency that a price has."""
    options = account.notes.get(price["id"], {}).get("currency_options", {})
    return {price["currency"]: price["unit_amount"], **options}


def amount_in(account: AccountState, price: Json, code: str, param: str) -> int:
    """Return the amount for one in a currency; StripeFailure (400) if the price has not got it."""
    amounts = amounts_of(account, price)
    if code not in amounts:
        has = ", ".join(amounts)
        raise invalid(f"The price {price['id']} is in {has}; it has no amount in {code}.", param)
    return amounts[code]


def options_of(account: AccountState, price: Json) -> Json:
    """Return a price's `currency_options`, which it shows only when they are expanded."""
    return {
        code: {
            "custom_unit_amount": None,
            "tax_behavior": price["tax_behavior"],
            "unit_amount": amount,
            "unit_amount_decimal": str(amount),
        }
        for code, amount in amounts_of(account, price).items()
    }


def _wrong_kind(price: Json, kind: str, param: str) -> StripeFailure:
    return invalid(
        f"The price specified is set to `type={price['type']}` but this field only accepts prices "
        f"with `type={kind}`.",
        param,
    )
