"""`/v1/customers`."""

from __future__ import annotations

from ..family import Call, Family, Route
from ..paging import page
from ..rules.checks import merged_metadata
from ..rules.payment_methods import attach, usable_method
from ..state import AccountState
from ..wire import Json, envelope
from .common import change, empty_to_none, given, lister, living, retriever, tombstone

_PLAIN = (
    "address",
    "balance",
    "business_name",
    "description",
    "email",
    "individual_name",
    "invoice_prefix",
    "name",
    "next_invoice_sequence",
    "phone",
    "preferred_locales",
    "shipping",
    "tax_exempt",
)
_NO_SETTINGS = {
    "custom_fields": None,
    "default_payment_method": None,
    "footer": None,
    "rendering_options": None,
}


def new_customer(account: AccountState, customer_id: str | None = None) -> Json:
    """Return a customer with nothing set, not stored yet."""
    object_id = customer_id or account.ids.new("cus_", 14)
    return {
        "id": object_id,
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": account.now(),
        "currency": None,
        "customer_account": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "invoice_prefix": object_id[-8:].upper(),
        "invoice_settings": dict(_NO_SETTINGS),
        "livemode": True,
        "metadata": {},
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }


def create(call: Call) -> Json:
    """Make a customer, with a payment method attached if one is named."""
    customer = new_customer(call.account)
    customer["metadata"] = merged_metadata(call.params)
    customer.update(given(call.params, _PLAIN))
    method = call.params.get("payment_method")
    chosen = usable_method(call.account, method, customer["id"]) if method else None
    _set_invoice_settings(call, customer, {method: chosen["id"]} if method and chosen else {})
    call.account.emit("customer.created", call.account.add(customer))
    if chosen:
        attach(call.account, chosen, customer["id"])
    return customer


def update(call: Call) -> Json:
    """Change a customer."""
    customer = living(call, "customer")
    _set_invoice_settings(call, customer, {})
    change(call, customer, _PLAIN, "customer.updated")
    return customer


def _set_invoice_settings(call: Call, customer: Json, attaching: dict[str, str]) -> None:
    settings = call.params.get("invoice_settings") or {}
    wanted = {name: empty_to_none(value) for name, value in settings.items()}
    method_id = wanted.get("default_payment_method")
    if isinstance(method_id, str):
        known = attaching.get(method_id) or _attached(call.account, method_id, customer["id"])
        wanted["default_payment_method"] = known
    customer["invoice_settings"] = {**customer["invoice_settings"], **wanted}


def _attached(account: AccountState, method_id: str, customer_id: str) -> str:
    param = "invoice_settings[default_payment_method]"
    method = usable_method(account, method_id, customer_id, param, attached=True)
    return str(method["id"])


def delete(call: Call) -> Json:
    """Delete a customer: payment methods are detached, subscriptions end."""
    customer = living(call, "customer")
    for method in list(call.account.all("payment_method")):
        if method["customer"] == customer["id"]:
            method["customer"] = None
            call.account.used_up.add(method["id"])
    call.account.replace(tombstone(customer))
    call.account.emit("customer.deleted", customer)
    return tombstone(customer)


def methods(call: Call) -> Json:
    """List the payment methods of a customer."""
    customer = living(call, "customer")
    wanted = call.params.get("type")

    def keep(method: Json) -> bool:
        return method["customer"] == customer["id"] and wanted in (None, method["type"])

    found = list(call.account.all("payment_method"))
    return page(call, found, "payment_method", keep)


def method(call: Call) -> Json:
    """Return one payment method of a customer."""
    living(call, "customer")
    found = call.account.require("payment_method", call.ids["method"])
    if found["customer"] != call.ids["id"]:
        raise call.account.missing("payment_method", call.ids["method"])
    return found


def _subscriptions(account: AccountState, customer: Json) -> Json:
    found = [s for s in account.all("subscription") if s["customer"] == customer["id"]]
    running = [s for s in found if s["status"] != "canceled"]
    return envelope(f"/v1/customers/{customer['id']}/subscriptions", running)


def _sources(_: AccountState, customer: Json) -> Json:
    """Nobody has sources in the sandbox: cards are payment methods."""
    return envelope(f"/v1/customers/{customer['id']}/sources", [])


_ONE = "/v1/customers/{id}"
_METHODS = f"{_ONE}/payment_methods"

FAMILY = Family(
    routes=(
        Route("POST", "/v1/customers", "CustomerCreateParams", "customer", create),
        Route(
            "GET",
            "/v1/customers",
            "CustomerListParams",
            "list:customer",
            lister("customer", {"email": "email"}),
        ),
        Route("GET", _ONE, "CustomerRetrieveParams", "customer", retriever("customer")),
        Route("POST", _ONE, "CustomerUpdateParams", "customer", update),
        Route("DELETE", _ONE, "CustomerDeleteParams", "customer", delete),
        Route("GET", _METHODS, "CustomerPaymentMethodListParams", "list:payment_method", methods),
        Route(
            "GET",
            f"{_METHODS}/{{method}}",
            "CustomerPaymentMethodRetrieveParams",
            "payment_method",
            method,
        ),
    ),
    nouns={"customer": "customer"},
    expandable={
        "customer": {
            "default_source": "source",
            "invoice_settings": "customer.invoice_settings",
            "sources": "list:source",
            "subscriptions": "list:subscription",
        },
        "customer.invoice_settings": {"default_payment_method": "payment_method"},
    },
    included={"customer": {"sources": _sources, "subscriptions": _subscriptions}},
)
