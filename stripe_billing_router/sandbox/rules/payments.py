"""What happens to a payment intent: attempts, successes, refusals, and the customer's part."""

from __future__ import annotations

from ...frozen import frozen
from ..failures import StripeFailure
from ..state import AccountState
from ..wire import Json, copied
from .balance import record_charge
from .charges import (
    book_late,
    capture,
    failed_charge,
    mark_failed,
    new_charge,
)
from .outcomes import SUCCEEDS, PaymentOutcome
from .payment_methods import attach

CANCELABLE = (
    "requires_payment_method",
    "requires_capture",
    "requires_confirmation",
    "requires_action",
)

_ABANDONED_AUTHENTICATION = PaymentOutcome("declined", "payment_intent_authentication_failure")


@frozen
class Manner:
    """How a payment is attempted: whether the customer is there, and where to send them."""

    off_session: bool = False
    error_on_action: bool = False
    return_url: str | None = None


def new_intent(account: AccountState, amount: int, currency: str, customer: str | None) -> Json:
    """Return a payment intent with nothing else set, not stored yet; `amount` in minor units."""
    intent_id = account.ids.new("pi_")
    return {
        "id": intent_id,
        "object": "payment_intent",
        "allowed_payment_method_types": None,
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": {"allow_redirects": "always", "enabled": True},
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic",
        "client_secret": account.ids.secret_of(intent_id),
        "confirmation_method": "automatic",
        "created": account.now(),
        "currency": currency.lower(),
        "customer": customer,
        "customer_account": None,
        "description": None,
        "excluded_payment_method_types": None,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": True,
        "managed_payments": None,
        "metadata": {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {},
        "payment_method_types": ["card", "us_bank_account"],
        "payment_record": None,
        "processing": None,
        "receipt_email": None,
        "review": None,
        "setup_future_usage": None,
        "shipping": None,
        "source": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": None,
    }


def attempt(account: AccountState, intent: Json, method: Json, manner: Manner) -> None:
    """Try to collect a payment. StripeFailure (402) if the payment method says no."""
    outcome = account.outcomes.get(method["id"], SUCCEEDS)
    intent["payment_method"], intent["last_payment_error"] = method["id"], None
    if outcome.kind == "succeeds":
        succeed(account, intent, method)
    elif outcome.kind == "processing":
        _process(account, intent, method)
    elif outcome.kind == "authentication_required" and not (
        manner.off_session or manner.error_on_action
    ):
        _require_action(account, intent, manner)
    else:
        raise _refuse(account, intent, method, outcome)


def succeed(account: AccountState, intent: Json, method: Json) -> None:
    """Collect a payment, or authorize it where it is captured by hand."""
    intent["payment_method"], intent["next_action"] = method["id"], None
    intent["processing"], intent["last_payment_error"] = None, None
    charge = new_charge(account, intent, method, "succeeded")
    _keep_method(account, intent, method)
    if intent["capture_method"] == "manual":
        intent["status"], intent["amount_capturable"] = "requires_capture", intent["amount"]
        account.emit("charge.succeeded", charge)
        account.emit("payment_intent.amount_capturable_updated", intent)
        return
    later = intent["capture_method"] == "automatic_async"
    _collect(account, intent, charge, intent["amount"], booked=not later)
    account.emit("charge.succeeded", charge)
    account.emit("payment_intent.succeeded", intent)
    if later:
        book_late(account, charge)


def capture_intent(account: AccountState, intent: Json, amount: int) -> None:
    """Collect `amount` (minor units) of an authorized payment; the rest is given back."""
    charge = account.require("charge", intent["latest_charge"])
    _collect(account, intent, charge, amount)
    charge["amount_refunded"] = charge["amount"] - amount
    account.emit("charge.captured", charge)
    account.emit("payment_intent.succeeded", intent)


def _collect(
    account: AccountState, intent: Json, charge: Json, amount: int, *, booked: bool = True
) -> None:
    capture(charge, amount)
    if booked:
        record_charge(account, charge)
    intent["status"], intent["amount_capturable"] = "succeeded", 0
    intent["amount_received"] = amount


def _keep_method(account: AccountState, intent: Json, method: Json) -> None:
    """Attach the method if the intent says so; otherwise an unattached one is used up."""
    if intent["setup_future_usage"] and intent["customer"]:
        attach(account, method, intent["customer"])
    elif method["customer"] is None:
        account.used_up.add(method["id"])


def _process(account: AccountState, intent: Json, method: Json) -> None:
    intent["status"] = "processing"
    charge = new_charge(account, intent, method, "pending")
    _keep_method(account, intent, method)
    account.emit("charge.pending", charge)
    account.emit("payment_intent.processing", intent)


def _require_action(account: AccountState, intent: Json, manner: Manner) -> None:
    intent["status"] = "requires_action"
    intent["next_action"] = next_action(intent["id"], manner.return_url)
    account.emit("payment_intent.requires_action", intent)


def next_action(intent_id: str, return_url: str | None) -> Json:
    """Return what the customer has to do: follow a redirect, or what Stripe.js shows them."""
    page = f"https://hooks.stripe.com/3d_secure_2/{intent_id}"
    if return_url:
        redirect = {"return_url": return_url, "url": page}
        return {"redirect_to_url": redirect, "type": "redirect_to_url"}
    return {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}}


def _refuse(
    account: AccountState, intent: Json, method: Json, outcome: PaymentOutcome
) -> StripeFailure:
    charge = failed_charge(account, intent, method, outcome)
    error = outcome.refusal(charge=charge["id"], payment_method=dict(method))
    give_back(account, intent, error)
    return StripeFailure(402, {**error, "payment_intent": copied(intent)}, executed=True)


def give_back(account: AccountState, intent: Json, error: Json) -> None:
    """After a refusal: the intent waits for another payment method, and stays payable."""
    intent["status"], intent["last_payment_error"] = "requires_payment_method", error
    intent["payment_method"], intent["next_action"] = None, None
    intent["processing"] = None
    account.emit("payment_intent.payment_failed", intent)


def cancel(account: AccountState, intent: Json, reason: str | None) -> None:
    """Cancel a payment that can be canceled; money that was held is let go."""
    if intent["status"] == "requires_capture":
        charge = account.require("charge", intent["latest_charge"])
        before = copied(charge)
        charge["refunded"], charge["amount_refunded"] = True, charge["amount"]
        account.changed("charge.refunded", charge, before)
    intent["status"], intent["amount_capturable"] = "canceled", 0
    intent["canceled_at"], intent["cancellation_reason"] = account.now(), reason
    intent["next_action"] = None
    account.emit("payment_intent.canceled", intent)


def complete_action(
    account: AccountState, intent: Json, succeeds: bool, method: Json | None
) -> None:
    """Play the customer: finish the authentication, or pay with `method`; or fail to.

    ValueError if the payment no longer waits for its customer.
    """
    if intent["status"] not in CANCELABLE or intent["status"] == "requires_capture":
        raise ValueError(f"{intent['id']} is {intent['status']}: the customer cannot pay it")
    used = method or account.require("payment_method", intent["payment_method"])
    if succeeds:
        succeed(account, intent, used)
        return
    charge = failed_charge(account, intent, used, _ABANDONED_AUTHENTICATION)
    error = _ABANDONED_AUTHENTICATION.refusal(charge=charge["id"], payment_method=dict(used))
    give_back(account, intent, error)


def settle(account: AccountState, intent: Json, succeeds: bool) -> None:
    """Let a payment that is processing succeed or fail. ValueError if it is not processing."""
    if intent["status"] != "processing":
        raise ValueError(f"{intent['id']} is {intent['status']}, not processing")
    charge = account.require("charge", intent["latest_charge"])
    if succeeds:
        _collect(account, intent, charge, intent["amount"])
        account.emit("charge.succeeded", charge)
        account.emit("payment_intent.succeeded", intent)
        return
    outcome = PaymentOutcome("declined", "insufficient_funds")
    mark_failed(charge, outcome)
    account.emit("charge.failed", charge)
    method = account.require("payment_method", intent["payment_method"])
    error = outcome.refusal(charge=charge["id"], payment_method=dict(method))
    give_back(account, intent, error)
