"""`/v1/products`."""

from __future__ import annotations

from ..failures import invalid, refused
from ..family import Call, Family, Route
from ..paging import listing
from ..rules.catalogue import new_product
from ..rules.checks import merged_metadata
from ..wire import Json
from .common import change, deleter, given, living, retriever
from .prices import price_of_data

_KIND = "product"
_PLAIN = (
    "active",
    "description",
    "images",
    "marketing_features",
    "name",
    "package_dimensions",
    "shippable",
    "statement_descriptor",
    "tax_code",
    "unit_label",
    "url",
)


def create(call: Call) -> Json:
    """Make a product, with a default price if `default_price_data` describes one."""
    params, account = call.params, call.account
    if account.find(_KIND, params.get("id", "")):
        raise invalid("Product already exists.", "id", "resource_already_exists")
    product = new_product(account, params["name"], params.get("id"))
    product.update(given(params, _PLAIN), metadata=merged_metadata(params))
    if "default_price_data" in params:
        data = {**params["default_price_data"], "product": product["id"]}
        product["default_price"] = price_of_data(call, data, product)["id"]
    account.emit("product.created", account.add(product))
    return product


def update(call: Call) -> Json:
    """Change a product."""
    product = living(call, _KIND)
    price = call.params.get("default_price")
    if price:
        found = call.account.require("price", price, "default_price")
        if found["product"] != product["id"]:
            raise invalid(f"The price {price} belongs to another product.", "default_price")
    change(call, product, (*_PLAIN, "default_price"), "product.updated")
    return product


def products(call: Call) -> Json:
    """List products."""
    ids = call.params.get("ids")

    def keep(product: Json) -> bool:
        return not ids or product["id"] in ids

    filters = {"active": "active", "shippable": "shippable", "url": "url"}
    return listing(call, _KIND, filters, keep)


def _without_prices(call: Call, product: Json) -> None:
    if any(price["product"] == product["id"] for price in call.account.all("price")):
        raise refused("This product cannot be deleted because it has one or more prices.")


_ALL, _ONE = "/v1/products", "/v1/products/{id}"

FAMILY = Family(
    routes=(
        Route("POST", _ALL, "ProductCreateParams", _KIND, create),
        Route("GET", _ALL, "ProductListParams", f"list:{_KIND}", products),
        Route("GET", _ONE, "ProductRetrieveParams", _KIND, retriever(_KIND)),
        Route("POST", _ONE, "ProductUpdateParams", _KIND, update),
        Route(
            "DELETE",
            _ONE,
            "ProductDeleteParams",
            _KIND,
            deleter(_KIND, "product.deleted", _without_prices),
        ),
    ),
    nouns={_KIND: _KIND},
    expandable={_KIND: {"default_price": "price"}},
)
