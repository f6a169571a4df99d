"""Who pays an invoice: its payment intent, and the payment method that is charged."""

from __future__ import annotations

from ..failures import refused
from ..state import AccountState
from ..wire import Json
from .payment_methods import usable_method
from .payments import new_intent


def expect_payment(account: AccountState, invoice: Json) -> None:
    """Make the payment intent that waits for an open invoice."""
    amount, currency = invoice["amount_due"], invoice["currency"]
    intent = new_intent(account, amount, currency, invoice["customer"])
    intent["automatic_payment_methods"] = None
    intent["description"] = f"Payment for Invoice {invoice['number']}"
    account.emit("payment_intent.created", account.add(intent))
    payment: Json = {
        "id": account.ids.new("inpay_"),
        "object": "invoice_payment",
        "amount_paid": None,
        "amount_requested": amount,
        "created": account.now(),
        "currency": currency,
        "invoice": invoice["id"],
        "is_default": True,
        "livemode": True,
        "payment": {"payment_intent": intent["id"], "type": "payment_intent"},
        "status": "open",
        "status_transitions": {"canceled_at": None, "paid_at": None},
    }
    account.add(payment)
    account.notes.setdefault(invoice["id"], {})["payment"] = payment["id"]
    account.invoice_payment_of[intent["id"]] = payment["id"]


def payment_of(account: AccountState, invoice: Json) -> Json | None:
    """Return the invoice payment of an invoice, None if nothing was ever due."""
    payment_id = account.notes.get(invoice["id"], {}).get("payment")
    return account.find("invoice_payment", payment_id) if payment_id else None


def intent_of(account: AccountState, invoice: Json) -> Json | None:
    """Return the payment intent of an invoice, None if nothing was ever due."""
    payment = payment_of(account, invoice)
    if payment is None:
        return None
    return account.find("payment_intent", payment["payment"]["payment_intent"])


def method_for(account: AccountState, invoice: Json, given: str | None = None) -> Json:
    """Return the payment method to charge. StripeFailure (400) if there is none.

    The given one, else the invoice's, the subscription's, the customer's default for invoices.
    """
    theirs = (given, invoice["default_payment_method"], _default_of_subscription(account, invoice))
    return first_method(account, invoice["customer"], theirs)


def first_method(
    account: AccountState, customer_id: str, candidates: tuple[str | None, ...]
) -> Json:
    """Return the first candidate, else the customer's default; StripeFailure (400) if none."""
    customer = account.require("customer", customer_id, "customer")
    default = customer["invoice_settings"]["default_payment_method"]
    chosen = next((candidate for candidate in (*candidates, default) if candidate), None)
    if chosen is None:
        raise refused(
            "This customer has no attached payment source or default payment method. Please "
            "consider adding a default payment method.",
            code="resource_missing",
        )
    return usable_method(account, chosen, customer["id"])


def _default_of_subscription(account: AccountState, invoice: Json) -> str | None:
    details = (invoice["parent"] or {}).get("subscription_details")
    subscription = account.find("subscription", details["subscription"]) if details else None
    method: str | None = subscription["default_payment_method"] if subscription else None
    return method
