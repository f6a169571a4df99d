"""`/v1/checkout/sessions`. The sandbox knows no taxes, discounts, shipping or custom prices."""

from __future__ import annotations

from ..failures import StripeFailure, invalid, missing_param, refused
from ..family import Call, Family, Route
from ..paging import page
from ..rules import checkout as rules
from ..rules.catalogue import usable_price
from ..rules.checks import merged_metadata, minimum, positive
from ..state import AccountState
from ..wire import Json, envelope
from .common import given, lister, refuse, retriever
from .prices import price_of_data

_KIND = "checkout.session"
_PLAIN = (
    "billing_address_collection",
    "cancel_url",
    "client_reference_id",
    "customer",
    "customer_creation",
    "customer_email",
    "expires_at",
    "locale",
    "payment_method_collection",
    "payment_method_options",
    "submit_type",
    "success_url",
    "ui_mode",
)
_NOT_HERE = (
    "adaptive_pricing",
    "after_expiration",
    "allow_promotion_codes",
    "discounts",
    "invoice_creation",
    "managed_payments",
    "optional_items",
    "shipping_options",
    "tax_id_collection",
)
_DATA = ("payment_intent_data", "setup_intent_data", "subscription_data")
_DATA_NOT_HERE = (
    "application_fee_amount",
    "application_fee_percent",
    "billing_cycle_anchor",
    "default_tax_rates",
    "on_behalf_of",
    "transfer_data",
    "trial_end",
    "trial_period_days",
)
_HALF_AN_HOUR, _A_DAY = 1800, 86_400


def create(call: Call) -> Json:
    """Open a session."""
    params, account = call.params, call.account
    _check(call)
    metadata = merged_metadata(params)
    lines = _lines(call)
    session = rules.new_session(account, params["mode"], lines, **given(params, _PLAIN))
    session["metadata"] = metadata
    if session["ui_mode"] != "hosted_page":
        session["client_secret"] = account.ids.secret_of(session["id"])
        session["url"] = None
        session["return_url"] = params.get("return_url")
    account.notes[session["id"]] = {name: params.get(name, {}) for name in _DATA}
    account.notes[session["id"]]["lines"] = lines
    return account.add(session)


def _check(call: Call) -> None:
    params = call.params
    refuse(params, _NOT_HERE)
    for name in _DATA:
        refuse(params.get(name, {}), _DATA_NOT_HERE)
        merged_metadata(params.get(name, {}), param=f"{name}[metadata]")
    if "mode" not in params:
        raise missing_param("mode")
    hosted = params.get("ui_mode", "hosted_page") == "hosted_page"
    if hosted and "success_url" not in params:
        raise missing_param("success_url")
    _check_customer(call)
    _check_expiry(call)
    for mode, name in zip(("payment", "setup", "subscription"), _DATA, strict=True):
        if name in params and params["mode"] != mode:
            raise invalid(f"You can not pass `{name}` in `{params['mode']}` mode.", name)


def _check_customer(call: Call) -> None:
    params = call.params
    if "customer" in params:
        call.account.require("customer", params["customer"], "customer")
        if "customer_email" in params:
            message = "You may only specify one of these parameters: customer, customer_email."
            raise invalid(message, "customer_email")


def _check_expiry(call: Call) -> None:
    asked, now = call.params.get("expires_at"), call.account.now()
    if asked is not None and not now + _HALF_AN_HOUR <= asked <= now + _A_DAY:
        message = "The `expires_at` timestamp must be 30 minutes to 24 hours from now."
        raise invalid(message, "expires_at")


def _lines(call: Call) -> list[Json]:
    params = call.params
    if params["mode"] == "setup":
        return []
    if not params.get("line_items"):
        raise missing_param("line_items")
    lines = [_line(call, n, item) for n, item in enumerate(params["line_items"])]
    _check_lines(params["mode"], lines)
    _check_currency(params.get("currency"), lines)
    return lines


def _line(call: Call, position: int, item: Json) -> Json:
    where = f"line_items[{position}]"
    refuse(item, ("adjustable_quantity", "tax_rates"))
    if ("price" in item) == ("price_data" in item):
        raise invalid("You must specify either `price` or `price_data`.", where)
    if "price" in item:
        price = usable_price(call.account, item["price"], f"{where}[price]")
    else:
        price = price_of_data(call, item["price_data"])
        price["active"] = False
    if "quantity" not in item:
        raise missing_param(f"{where}[quantity]")
    quantity = positive(item["quantity"], f"{where}[quantity]")
    product = call.account.require("product", price["product"])
    return rules.new_line(call.account, price, quantity, product["name"])


def _check_currency(asked: str | None, lines: list[Json]) -> None:
    for line in lines:
        price = line["price"]
        if asked in (None, price["currency"]):
            continue
        if asked in (price.get("currency_options") or {}):
            raise invalid("The sandbox sells in a price's own currency only.", "currency")
        message = f"The price specified does not support currency of `{asked}`."
        raise invalid(message, "currency")


def _check_lines(mode: str, lines: list[Json]) -> None:
    if len({line["currency"] for line in lines}) > 1:
        raise invalid("All line items must have the same currency.", "line_items")
    recurring = [line["price"]["type"] == "recurring" for line in lines]
    if mode == "payment" and any(recurring):
        raise _wrong_mode("You specified `payment` mode but passed a recurring price.")
    if mode == "subscription" and not any(recurring):
        raise _wrong_mode("You must provide at least one recurring price in `subscription` mode.")
    if mode == "subscription" and not all(recurring):
        raise _wrong_mode("The sandbox does not mix one-time prices into a subscription.")
    total, currency = sum(line["amount_total"] for line in lines), lines[0]["currency"]
    if mode == "payment" and 0 < total < minimum(currency):
        message = f"The total amount due must add up to at least {minimum(currency)} {currency}."
        raise invalid(message, "line_items", "amount_too_small")


def _wrong_mode(message: str) -> StripeFailure:
    return invalid(message, "mode")


def expire(call: Call) -> Json:
    """Close an open session."""
    session = call.account.require(_KIND, call.ids["id"])
    if session["status"] != "open":
        raise refused(
            f"Only Checkout Sessions that are open can expire; this is {session['status']}."
        )
    rules.expire(call.account, session)
    return session


def update(call: Call) -> Json:
    """Change the metadata of a session."""
    session = call.account.require(_KIND, call.ids["id"])
    refuse(call.params, ("collected_information", "line_items", "shipping_options"))
    session["metadata"] = merged_metadata(call.params, session["metadata"])
    return session


def _all_lines(account: AccountState, session: Json) -> Json:
    url = f"/v1/checkout/sessions/{session['id']}/line_items"
    return envelope(url, account.notes[session["id"]]["lines"])


def lines(call: Call) -> Json:
    """List the line items of a session."""
    call.account.require(_KIND, call.ids["id"])
    return page(call, call.account.notes[call.ids["id"]]["lines"], "item")


_ALL, _ONE = "/v1/checkout/sessions", "/v1/checkout/sessions/{id}"
_PARAMS = "checkout.Session"

FAMILY = Family(
    routes=(
        Route("POST", _ALL, f"{_PARAMS}CreateParams", _KIND, create),
        Route(
            "GET",
            _ALL,
            f"{_PARAMS}ListParams",
            f"list:{_KIND}",
            lister(
                _KIND,
                {
                    "customer": "customer",
                    "payment_intent": "payment_intent",
                    "status": "status",
                    "subscription": "subscription",
                },
            ),
        ),
        Route("GET", _ONE, f"{_PARAMS}RetrieveParams", _KIND, retriever(_KIND)),
        Route("POST", _ONE, f"{_PARAMS}UpdateParams", _KIND, update),
        Route("POST", f"{_ONE}/expire", f"{_PARAMS}ExpireParams", _KIND, expire),
        Route("GET", f"{_ONE}/line_items", f"{_PARAMS}ListLineItemsParams", "list:item", lines),
    ),
    nouns={_KIND: _KIND, "item": "line item"},
    expandable={
        _KIND: {
            "customer": "customer",
            "invoice": "invoice",
            "line_items": "list:item",
            "payment_intent": "payment_intent",
            "setup_intent": "setup_intent",
            "subscription": "subscription",
        },
        "item": {"discounts": "discount", "price": "price"},
    },
    included={_KIND: {"line_items": _all_lines}},
    reactions={
        "payment_intent.succeeded": rules.paid_late,
        "payment_intent.payment_failed": rules.failed_late,
        "tick": rules.advance,
    },
)
