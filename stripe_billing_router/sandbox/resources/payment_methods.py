"""`/v1/payment_methods`."""

from __future__ import annotations

from ..failures import invalid, missing_param
from ..family import Call, Family, Route
from ..rules.checks import merged_metadata
from ..rules.outcomes import SUCCEEDS, TEST_NUMBERS, PaymentOutcome, test_outcome
from ..rules.payment_methods import (
    attach,
    method_or_new,
    new_method,
    refuse_declining_card,
    usable_method,
)
from ..state import AccountState
from ..wire import Json
from .common import given, lister, updater

_BANKS = {
    "us_bank_account": (),
    "sepa_debit": ("bank_code", "branch_code", "country", "generated_from"),
    "bacs_debit": ("sort_code",),
    "acss_debit": ("bank_name", "institution_number", "transit_number"),
    "au_becs_debit": ("bsb_number",),
}


def create(call: Call) -> Json:
    """Make a payment method: a card by number or token, or a bank account."""
    metadata = merged_metadata(call.params)
    if "type" not in call.params:
        raise missing_param("type")
    method = method_of_data(call.account, call.params)
    method["metadata"] = metadata
    return method


def method_of_data(account: AccountState, data: Json) -> Json:
    """Make a payment method from `type`, `card`, `billing_details` and the like."""
    kind, details = data["type"], data.get("card", {})
    if kind not in ("card", *_BANKS):
        raise invalid(f"The sandbox has no payment methods of type {kind}.", "type")
    if kind == "card" and not details:
        raise missing_param("card")
    method = new_method(account, _outcome(kind, details))
    _describe(method, kind, details)
    method.update(given(data, ("billing_details",)))
    return method


def _outcome(kind: str, details: Json) -> PaymentOutcome:
    if kind != "card":
        return PaymentOutcome("processing")
    if "token" in details:
        return test_outcome(details["token"].replace("tok_", "pm_card_", 1)) or SUCCEEDS
    number = details.get("number")
    if number is None:
        raise missing_param("card[number]")
    if number not in TEST_NUMBERS:
        raise invalid("Your card number is incorrect.", "card[number]", "incorrect_number")
    return PaymentOutcome.parse(TEST_NUMBERS[number])


def _describe(method: Json, kind: str, details: Json) -> None:
    if kind == "card":
        known = {name: details[name] for name in ("exp_month", "exp_year") if name in details}
        method["card"] |= known | {"last4": details.get("number", "4242")[-4:]}
    elif kind != method["type"]:
        same = method.pop("us_bank_account")
        method[kind] = {name: same[name] for name in ("fingerprint", "last4")}
        method[kind] |= dict.fromkeys(_BANKS[kind])
        method["type"] = kind


def retrieve(call: Call) -> Json:
    """Return a payment method."""
    return method_or_new(call.account, call.ids["id"])


def attach_to(call: Call) -> Json:
    """Attach a payment method to a customer."""
    customer = call.params.get("customer")
    if customer is None:
        raise missing_param("customer")
    call.account.require("customer", customer, "customer")
    refuse_declining_card(call.ids["id"])
    method_or_new(call.account, call.ids["id"])
    method = usable_method(call.account, call.ids["id"], customer)
    attach(call.account, method, customer)
    return method


def detach(call: Call) -> Json:
    """Detach a payment method from its customer; it cannot be used again."""
    method = call.account.require("payment_method", call.ids["id"])
    owner = method["customer"]
    if owner is None:
        raise invalid("The payment method you provided is not attached to a customer.")
    method["customer"] = None
    call.account.used_up.add(method["id"])
    _forget_default(call.account, owner, method["id"])
    call.account.emit("payment_method.detached", method, {"customer": owner})
    return method


def _forget_default(account: AccountState, customer_id: str, method_id: str) -> None:
    settings = account.require("customer", customer_id)["invoice_settings"]
    if settings["default_payment_method"] == method_id:
        settings["default_payment_method"] = None


_ONE = "/v1/payment_methods/{id}"
_KIND = "payment_method"

FAMILY = Family(
    routes=(
        Route("POST", "/v1/payment_methods", "PaymentMethodCreateParams", _KIND, create),
        Route(
            "GET",
            "/v1/payment_methods",
            "PaymentMethodListParams",
            f"list:{_KIND}",
            lister(_KIND, {"customer": "customer", "type": "type"}),
        ),
        Route("GET", _ONE, "PaymentMethodRetrieveParams", _KIND, retrieve),
        Route(
            "POST",
            _ONE,
            "PaymentMethodUpdateParams",
            _KIND,
            updater(_KIND, ("allow_redisplay", "billing_details"), "payment_method.updated"),
        ),
        Route("POST", f"{_ONE}/attach", "PaymentMethodAttachParams", _KIND, attach_to),
        Route("POST", f"{_ONE}/detach", "PaymentMethodDetachParams", _KIND, detach),
    ),
    nouns={_KIND: "PaymentMethod"},
    expandable={_KIND: {"customer": "customer"}},
)
