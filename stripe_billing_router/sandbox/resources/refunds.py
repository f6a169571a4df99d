"""`/v1/refunds`."""

from __future__ import annotations

from ..failures import invalid, missing_param, refused
from ..family import Call, Family, Route
from ..rules.checks import merged_metadata, positive
from ..rules.refunds import check_refundable, left_of, new_refund
from ..wire import Json
from .common import given, lister, refuse, retriever, updater

_KIND = "refund"


def create(call: Call) -> Json:
    """Give back a charge, or what a payment intent collected, in whole or in part."""
    params = call.params
    refuse(params, ("customer", "origin", "refund_application_fee", "reverse_transfer"))
    charge = _charge(call)
    amount = positive(params["amount"]) if "amount" in params else left_of(charge)
    metadata = merged_metadata(params)
    check_refundable(charge, amount)
    words = given(params, ("instructions_email", "reason"))
    return new_refund(call.account, charge, amount, {**words, "metadata": metadata})


def cancel(call: Call) -> Json:
    """Cancel a refund that waits for its customer; the sandbox has none that do."""
    refund = call.account.require(_KIND, call.ids["id"])
    raise refused(f"A refund that is {refund['status']} cannot be canceled.")


def _charge(call: Call) -> Json:
    params, account = call.params, call.account
    if "charge" not in params and "payment_intent" not in params:
        raise missing_param("payment_intent")
    if "payment_intent" not in params:
        return account.require("charge", params["charge"], "charge")
    intent = account.require("payment_intent", params["payment_intent"], "payment_intent")
    if params.get("charge", intent["latest_charge"]) != intent["latest_charge"]:
        raise invalid("This charge does not belong to this PaymentIntent.", "charge")
    if intent["status"] != "succeeded":
        message = (
            f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund."
        )
        raise refused(message, "payment_intent", "payment_intent_unexpected_state")
    return account.require("charge", intent["latest_charge"])


_ALL, _ONE = "/v1/refunds", "/v1/refunds/{id}"

FAMILY = Family(
    routes=(
        Route("POST", _ALL, "RefundCreateParams", _KIND, create),
        Route(
            "GET",
            _ALL,
            "RefundListParams",
            f"list:{_KIND}",
            lister(_KIND, {"charge": "charge", "payment_intent": "payment_intent"}),
        ),
        Route("GET", _ONE, "RefundRetrieveParams", _KIND, retriever(_KIND)),
        Route("POST", f"{_ONE}/cancel", "RefundCancelParams", _KIND, cancel),
        Route("POST", _ONE, "RefundUpdateParams", _KIND, updater(_KIND, (), "refund.updated")),
    ),
    nouns={_KIND: _KIND},
    expandable={
        _KIND: {
            "balance_transaction": "balance_transaction",
            "charge": "charge",
            "customer": "customer",
            "failure_balance_transaction": "balance_transaction",
            "payment_intent": "payment_intent",
            "payment_method": "payment_method",
        }
    },
)
