"""`/v1/prices`: so much for one. The sandbox has no tiers, bundles or customer-chosen amounts."""

from __future__ import annotations

from decimal import Decimal

from ..failures import invalid, missing_param
from ..family import Call, Family, Route
from ..paging import field_of, listing
from ..rules.catalogue import keep_options, new_price, new_product, options_of
from ..rules.checks import known_currency, merged_metadata, stepped
from ..wire import Json
from .common import change, given, refuse, retriever

_KIND = "price"
_PLAIN = ("active", "lookup_key", "nickname", "tax_behavior")
_NOT_HERE = ("custom_unit_amount", "tiers", "tiers_mode", "transform_quantity")


def create(call: Call) -> Json:
    """Make a price, and its product if `product_data` describes one."""
    params = call.params
    if ("product" in params) == ("product_data" in params):
        raise invalid("You must specify either `product` or `product_data`.", "product")
    return price_of_data(call, params)


def price_of_data(call: Call, data: Json, product: Json | None = None) -> Json:
    """Make a price from its parameters; `product` is one that is not stored yet."""
    refuse(data, _NOT_HERE)
    account, unit = call.account, known_currency(data["currency"])
    amount = stepped(_unit_amount(data), unit, "unit_amount")
    metadata, options = merged_metadata(data), _options(data)
    owner = product or _product(call, data)
    price = new_price(account, owner["id"], amount, unit.code, data.get("recurring"))
    price.update(given(data, _PLAIN), metadata=metadata)
    keep_options(account, price, options)
    account.emit("price.created", account.add(price))
    return price


def _options(data: Json) -> dict[str, int]:
    options = {}
    for code, option in data.get("currency_options", {}).items():
        refuse(option, _NOT_HERE)
        unit = known_currency(code, "currency_options")
        options[unit.code] = stepped(_unit_amount(option), unit, f"currency_options[{code}]")
    return options


def _product(call: Call, data: Json) -> Json:
    account = call.account
    if "product_data" not in data:
        if "product" not in data:
            raise missing_param("product")
        return account.require("product", data["product"], "product")
    product = new_product(account, data["product_data"]["name"], data["product_data"].get("id"))
    product["metadata"] = merged_metadata(data["product_data"])
    account.emit("product.created", account.add(product))
    return product


def _unit_amount(data: Json) -> int:
    if "unit_amount" not in data and "unit_amount_decimal" not in data:
        raise missing_param("unit_amount")
    amount = Decimal(data["unit_amount"] if "unit_amount" in data else data["unit_amount_decimal"])
    if amount != int(amount):
        raise invalid("The sandbox has no prices finer than a minor unit.", "unit_amount_decimal")
    if amount < 0:
        raise invalid("This value must be greater than or equal to 0.", "unit_amount")
    return int(amount)


def update(call: Call) -> Json:
    """Change the words of a price, or whether it may be used; never its amounts."""
    price = call.account.require(_KIND, call.ids["id"])
    refuse(call.params, ("currency_options", "transfer_lookup_key"))
    change(call, price, _PLAIN, "price.updated")
    return price


def prices(call: Call) -> Json:
    """List prices."""
    keys = call.params.get("lookup_keys")
    interval = field_of(call.params, "recurring.interval")

    def keep(price: Json) -> bool:
        fits = interval is None or field_of(price, "recurring.interval") == interval
        return fits and (not keys or price["lookup_key"] in keys)

    filters = {"active": "active", "currency": "currency", "product": "product", "type": "type"}
    return listing(call, _KIND, filters, keep)


_ALL, _ONE = "/v1/prices", "/v1/prices/{id}"

FAMILY = Family(
    routes=(
        Route("POST", _ALL, "PriceCreateParams", _KIND, create),
        Route("GET", _ALL, "PriceListParams", f"list:{_KIND}", prices),
        Route("GET", _ONE, "PriceRetrieveParams", _KIND, retriever(_KIND)),
        Route("POST", _ONE, "PriceUpdateParams", _KIND, update),
    ),
    nouns={_KIND: _KIND},
    expandable={
        _KIND: {
            "currency_options": "price.currency_options",
            "product": "product",
            "tiers": "price.tiers",
        }
    },
    included={_KIND: {"currency_options": options_of}},
)
