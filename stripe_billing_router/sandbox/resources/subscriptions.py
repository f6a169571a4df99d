"""`/v1/subscriptions` and `/v1/subscription_items`. The sandbox knows no prorations."""

from __future__ import annotations

from ..clock import DAY
from ..failures import invalid, missing_param, refused
from ..family import Call, Family, Route
from ..paging import listing, page
from ..rules import subscriptions as rules
from ..rules.catalogue import usable_price
from ..rules.checks import merged_metadata
from ..rules.payment_methods import usable_method
from ..rules.subscription_objects import new_subscription
from ..wire import Json
from .common import change, given, refuse, retriever

_KIND = "subscription"
_PLAIN = (
    "cancel_at_period_end",
    "collection_method",
    "days_until_due",
    "default_payment_method",
    "description",
)
_NOT_HERE = (
    "add_invoice_items",
    "application_fee_percent",
    "backdate_start_date",
    "billing_cycle_anchor",
    "billing_cycle_anchor_config",
    "billing_schedules",
    "billing_thresholds",
    "cancel_at",
    "default_source",
    "default_tax_rates",
    "discounts",
    "on_behalf_of",
    "pause_collection",
    "pending_invoice_item_interval",
    "transfer_data",
    "trial_from_plan",
)

_CHANGEABLE_AT_THE_END = frozenset({"cancellation_details", "expand", "metadata"})


def create(call: Call) -> Json:
    """Make a subscription and collect its first invoice."""
    params, account = call.params, call.account
    _check(call)
    customer = account.require("customer", params["customer"], "customer")
    prices = [_price(call, n, item) for n, item in enumerate(params["items"])]
    _check_currency(call, prices)
    fields = _fields(call, customer["id"])
    subscription = new_subscription(account, customer["id"], prices, **fields)
    behavior = params.get("payment_behavior", "allow_incomplete")
    rules.start(account, subscription, behavior, params.get("off_session", False) is True)
    return subscription


def _check(call: Call) -> None:
    params = call.params
    refuse(params, _NOT_HERE)
    for name in ("customer", "items"):
        if not params.get(name):
            raise missing_param(name)
    if params.get("payment_behavior") == "pending_if_incomplete":
        raise invalid("`pending_if_incomplete` is for updates.", "payment_behavior")
    if params.get("collection_method") == "send_invoice" and "days_until_due" not in params:
        raise missing_param("days_until_due")


def _check_currency(call: Call, prices: list[Json]) -> None:
    wanted = call.params.get("currency") or prices[0]["currency"]
    if {wanted.lower()} != {price["currency"] for price in prices}:
        message = "The sandbox bills a subscription in the one currency of its prices."
        raise invalid(message, "currency")


def _price(call: Call, position: int, item: Json) -> Json:
    refuse(item, ("billing_thresholds", "current_trial", "discounts", "price_data", "tax_rates"))
    where = f"items[{position}]"
    price_id = item.get("price") or item.get("plan")
    if price_id is None:
        raise missing_param(f"{where}[price]")
    price = usable_price(call.account, price_id, f"{where}[price]", "recurring")
    if price["recurring"]["usage_type"] != "licensed":
        raise invalid("The sandbox has no metered prices.", f"{where}[price]")
    quantity = item.get("quantity", 1)
    if quantity < 0:
        raise invalid("This value must be greater than or equal to 0.", f"{where}[quantity]")
    return {**price, "quantity": quantity}


def _fields(call: Call, customer: str) -> Json:
    params = call.params
    fields = given(params, _PLAIN)
    fields["metadata"] = merged_metadata(params)
    fields["trial_end"] = _trial_end(call)
    if fields.get("default_payment_method"):
        _check_method(call, customer, fields["default_payment_method"])
    return fields


def _trial_end(call: Call) -> int | None:
    end = call.params.get("trial_end")
    days = call.params.get("trial_period_days")
    if isinstance(end, int):
        if end <= call.account.now():
            raise invalid("Invalid timestamp: must be in the future.", "trial_end")
        return end
    return call.account.now() + days * DAY if days else None


def _check_method(call: Call, customer: str, method: str) -> None:
    usable_method(call.account, method, customer, "default_payment_method", attached=True)


def update(call: Call) -> Json:
    """Change the words, the payment method or the end of a subscription."""
    subscription = call.account.require(_KIND, call.ids["id"])
    if subscription["status"] in rules.OVER and set(call.params) - _CHANGEABLE_AT_THE_END:
        raise refused(
            "A canceled subscription can only update its cancellation_details and metadata.",
            code="invalid_canceled_subscription_fields",
        )
    refuse(call.params, (*_NOT_HERE, "items", "trial_end"))
    subscription["cancellation_details"] |= given(
        call.params.get("cancellation_details") or {}, ("comment", "feedback")
    )
    method = call.params.get("default_payment_method")
    if method:
        _check_method(call, subscription["customer"], method)
    if "cancel_at_period_end" in call.params:
        ending = call.params["cancel_at_period_end"]
        subscription["canceled_at"] = call.account.now() if ending else None
    change(call, subscription, _PLAIN, "customer.subscription.updated")
    return subscription


def cancel(call: Call) -> Json:
    """End a subscription at once."""
    subscription = _running(call)
    refuse(call.params, ("invoice_now", "prorate"))
    rules.cancel(call.account, subscription, call.params.get("cancellation_details"))
    return subscription


def _running(call: Call) -> Json:
    subscription = call.account.require(_KIND, call.ids["id"])
    if subscription["status"] in rules.OVER:
        raise call.account.missing(_KIND, subscription["id"])
    return subscription


def subscriptions(call: Call) -> Json:
    """List subscriptions; without `status`, those that are not canceled."""
    price, status = call.params.get("price"), call.params.get("status")

    def keep(subscription: Json) -> bool:
        prices = [item["price"]["id"] for item in subscription["items"]["data"]]
        return (price is None or price in prices) and _has(subscription, status)

    filters = {"collection_method": "collection_method", "customer": "customer"}
    return listing(call, _KIND, filters, keep)


def _has(subscription: Json, status: str | None) -> bool:
    if status == "all":
        return True
    if status == "ended":
        return subscription["status"] in rules.OVER
    if status is None:
        return bool(subscription["status"] != "canceled")
    return bool(subscription["status"] == status)


def items(call: Call) -> Json:
    """List the items of a subscription."""
    owner = call.account.require(_KIND, call.params["subscription"], "subscription")
    return page(call, owner["items"]["data"], "subscription_item")


_ALL, _ONE = "/v1/subscriptions", "/v1/subscriptions/{id}"
_ITEMS = "/v1/subscription_items"

FAMILY = Family(
    routes=(
        Route("POST", _ALL, "SubscriptionCreateParams", _KIND, create),
        Route("GET", _ALL, "SubscriptionListParams", f"list:{_KIND}", subscriptions),
        Route("GET", _ONE, "SubscriptionRetrieveParams", _KIND, retriever(_KIND)),
        Route("POST", _ONE, "SubscriptionUpdateParams", _KIND, update),
        Route("DELETE", _ONE, "SubscriptionCancelParams", _KIND, cancel),
        Route("GET", _ITEMS, "SubscriptionItemListParams", "list:subscription_item", items),
        Route(
            "GET",
            f"{_ITEMS}/{{id}}",
            "SubscriptionItemRetrieveParams",
            "subscription_item",
            retriever("subscription_item"),
        ),
    ),
    nouns={_KIND: _KIND, "subscription_item": "subscription_item"},
    expandable={
        _KIND: {
            "customer": "customer",
            "default_payment_method": "payment_method",
            "discounts": "discount",
            "items": "list:subscription_item",
            "latest_invoice": "invoice",
            "pending_setup_intent": "setup_intent",
        },
        "subscription_item": {"discounts": "discount", "price": "price"},
    },
    reactions={
        "customer.deleted": rules.cancel_all_of,
        "invoice.paid": rules.paid,
        "payment_intent.processing": rules.being_paid,
        "tick": rules.advance,
    },
)
