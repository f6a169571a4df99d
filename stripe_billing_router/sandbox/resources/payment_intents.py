"""`/v1/payment_intents`."""

from __future__ import annotations

from ..failures import StripeFailure, invalid, unexpected_state
from ..family import Call, Family, Route
from ..rules.checks import charge_amount, known_currency, merged_metadata, positive
from ..rules.payment_methods import usable_method
from ..rules.payments import CANCELABLE, Manner, attempt, cancel, capture_intent, new_intent
from ..wire import Json, copied
from .common import empty_to_none, given, lister, refuse
from .payment_methods import method_of_data

_KIND = "payment_intent"
_PLAIN = (
    "amount_details",
    "capture_method",
    "confirmation_method",
    "description",
    "excluded_payment_method_types",
    "payment_method_options",
    "receipt_email",
    "setup_future_usage",
    "shipping",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_group",
)
_ONLY_WITH_CONFIRM = ("error_on_requires_action", "mandate", "mandate_data", "off_session")
_NOT_HERE = (
    "application_fee_amount",
    "confirmation_token",
    "customer_account",
    "hooks",
    "on_behalf_of",
    "transfer_data",
)
_AUTHORIZED = "requires_capture"
_CONFIRMABLE = ("requires_payment_method", "requires_confirmation", "requires_action")
_OF_THE_INVOICE = frozenset({"amount", "capture_method", "currency", "customer"})
_ALWAYS_CHANGEABLE = frozenset({"description", "metadata", "receipt_email", "shipping", "expand"})


def create(call: Call) -> Json:
    """Make a payment intent, and confirm it if asked to."""
    params = call.params
    _check_new(call)
    amount = charge_amount(params["amount"], params["currency"])
    metadata = merged_metadata(params)
    method = _method(call, params.get("customer"))
    intent = new_intent(call.account, amount, params["currency"], params.get("customer"))
    intent["capture_method"] = "automatic_async"
    intent.update(given(params, _PLAIN), metadata=metadata)
    intent["automatic_payment_methods"] |= params.get("automatic_payment_methods", {})
    _choose(intent, method)
    if params.get("confirm") and method:
        _check_redirects(call, intent)
    call.account.emit("payment_intent.created", call.account.add(intent))
    return _confirmed(call, intent) if params.get("confirm") else intent


def _check_new(call: Call) -> None:
    params = call.params
    refuse(params, _NOT_HERE)
    if not params.get("confirm"):
        for name in _ONLY_WITH_CONFIRM:
            if name in params:
                message = f"The parameter {name} needs confirm=true."
                raise invalid(message, name, "payment_intent_invalid_parameter")
    if "customer" in params:
        call.account.require("customer", params["customer"], "customer")


def _method(call: Call, customer: str | None) -> Json | None:
    params = call.params
    if "payment_method_data" in params:
        return method_of_data(call.account, params["payment_method_data"])
    if "payment_method" in params:
        return usable_method(call.account, params["payment_method"], customer)
    return None


def _choose(intent: Json, method: Json | None) -> None:
    if method:
        intent["payment_method"], intent["status"] = method["id"], "requires_confirmation"


def _check_redirects(call: Call, intent: Json) -> None:
    automatic = intent["automatic_payment_methods"] or {"enabled": False}
    redirects = automatic["enabled"] and automatic["allow_redirects"] == "always"
    if redirects and call.account.redirect_methods and "return_url" not in call.params:
        raise invalid(
            "This PaymentIntent accepts payment methods that may redirect your customer: provide "
            "a `return_url`, or set `automatic_payment_methods[enabled]` to `true` and "
            "`automatic_payment_methods[allow_redirects]` to `never` when you create it."
        )


def _confirmed(call: Call, intent: Json) -> Json:
    if intent["payment_method"] is None:
        raise _state_error(
            intent,
            "You cannot confirm this PaymentIntent because it's missing a payment method. Update "
            "it with a payment method, or confirm it with one.",
        )
    method = call.account.require("payment_method", intent["payment_method"])
    manner = Manner(
        off_session=bool(call.params.get("off_session")),
        error_on_action=bool(call.params.get("error_on_requires_action")),
        return_url=call.params.get("return_url"),
    )
    attempt(call.account, intent, method, manner)
    return intent


def _state_error(intent: Json, message: str) -> StripeFailure:
    code = "payment_intent_unexpected_state"
    return unexpected_state(code, message, payment_intent=copied(intent))


def _in_state(intent: Json, verb: str, done: str, states: tuple[str, ...]) -> None:
    if intent["status"] not in states:
        raise _state_error(
            intent,
            f"You cannot {verb} this PaymentIntent because it has a status of "
            f"{intent['status']}. Only a PaymentIntent with one of the following statuses may be "
            f"{done}: {', '.join(states)}.",
        )


def confirm(call: Call) -> Json:
    """Confirm a payment intent with its payment method, or the one given."""
    intent = call.account.require(_KIND, call.ids["id"])
    refuse(call.params, _NOT_HERE)
    if call.params.get("amount_to_confirm", intent["amount"]) != intent["amount"]:
        raise invalid("This is not the amount of the PaymentIntent.", "amount_to_confirm")
    _in_state(intent, "confirm", "confirmed", _CONFIRMABLE)
    method = _method(call, intent["customer"])
    _check_redirects(call, intent)
    intent.update(given(call.params, ("receipt_email", "setup_future_usage", "shipping")))
    _choose(intent, method)
    return _confirmed(call, intent)


def capture(call: Call) -> Json:
    """Capture an authorized payment, whole or in part."""
    intent = call.account.require(_KIND, call.ids["id"])
    _in_state(intent, "capture", "captured", (_AUTHORIZED,))
    amount = {"amount_to_capture": intent["amount_capturable"], **call.params}["amount_to_capture"]
    if positive(amount, "amount_to_capture") > intent["amount_capturable"]:
        message = "The amount to capture is more than the amount that can be captured."
        raise invalid(message, "amount_to_capture", "amount_too_large")
    intent["metadata"] = merged_metadata(call.params, intent["metadata"])
    capture_intent(call.account, intent, amount)
    return intent


def cancel_intent(call: Call) -> Json:
    """Cancel a payment intent; one that belongs to an invoice goes when the invoice does, one of a
    Checkout session when that expires, unless it is only authorized."""
    intent = call.account.require(_KIND, call.ids["id"])
    _in_state(intent, "cancel", "canceled", CANCELABLE)
    if intent["id"] in call.account.invoice_payment_of:
        raise _state_error(intent, "You cannot cancel a PaymentIntent of an invoice: void that.")
    if "session" in call.account.notes.get(intent["id"], {}) and intent["status"] != _AUTHORIZED:
        raise _state_error(
            intent,
            "You cannot cancel the PaymentIntent of a Checkout Session: expire the session.",
        )
    cancel(call.account, intent, call.params.get("cancellation_reason"))
    return intent


def update(call: Call) -> Json:
    """Change a payment intent; once it has succeeded, only its words."""
    intent = call.account.require(_KIND, call.ids["id"])
    refuse(call.params, _NOT_HERE)
    if set(call.params) - _ALWAYS_CHANGEABLE:
        _in_state(intent, "update", "updated", _CONFIRMABLE)
    if intent["id"] in call.account.invoice_payment_of and _OF_THE_INVOICE & set(call.params):
        raise _state_error(intent, "What an invoice asks for cannot change on its PaymentIntent.")
    changes = _changes(call, intent)
    intent.update(changes)
    if call.params.get("payment_method") and intent["status"] != "requires_action":
        intent["status"] = "requires_confirmation"
    return intent


def _changes(call: Call, intent: Json) -> Json:
    params = call.params
    changes = given(params, _PLAIN)
    changes["metadata"] = merged_metadata(params, intent["metadata"])
    if "currency" in params:
        changes["currency"] = known_currency(params["currency"]).code
    if "amount" in params or "currency" in params:
        wanted = {**intent, **given(params, ("amount", "currency"))}
        changes["amount"] = charge_amount(wanted["amount"], wanted["currency"])
    if "customer" in params:
        call.account.require("customer", params["customer"], "customer")
        changes["customer"] = params["customer"]
    method = _method(call, changes.get("customer", intent["customer"]))
    if method:
        changes["payment_method"] = method["id"]
    return {name: empty_to_none(value) for name, value in changes.items()}


def retrieve(call: Call) -> Json:
    """Return a payment intent."""
    secret = call.params.get("client_secret")
    intent = call.account.require(_KIND, call.ids["id"])
    if secret and secret != intent["client_secret"]:
        raise call.account.missing(_KIND, call.ids["id"])
    return intent


_ALL = "/v1/payment_intents"
_ONE = f"{_ALL}/{{id}}"

FAMILY = Family(
    routes=(
        Route("POST", _ALL, "PaymentIntentCreateParams", _KIND, create),
        Route(
            "GET",
            _ALL,
            "PaymentIntentListParams",
            f"list:{_KIND}",
            lister(_KIND, {"customer": "customer"}),
        ),
        Route("GET", _ONE, "PaymentIntentRetrieveParams", _KIND, retrieve),
        Route("POST", _ONE, "PaymentIntentUpdateParams", _KIND, update),
        Route("POST", f"{_ONE}/confirm", "PaymentIntentConfirmParams", _KIND, confirm),
        Route("POST", f"{_ONE}/capture", "PaymentIntentCaptureParams", _KIND, capture),
        Route("POST", f"{_ONE}/cancel", "PaymentIntentCancelParams", _KIND, cancel_intent),
    ),
    nouns={_KIND: _KIND},
    expandable={
        _KIND: {
            "customer": "customer",
            "latest_charge": "charge",
            "payment_method": "payment_method",
        }
    },
)
