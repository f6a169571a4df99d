"""Charges as payments make them."""

from __future__ import annotations

from typing import Any

from ..state import AccountState
from ..wire import Json, copied
from .balance import record_charge
from .outcomes import PaymentOutcome
from .payment_methods import no_billing_details

_OF_THE_METHOD_ONLY = frozenset(
    {
        "display_brand",
        "financial_connections_account",
        "generated_from",
        "networks",
        "status_details",
        "three_d_secure_usage",
    }
)
_OF_THE_BANK = {
    "bacs_debit": ("mandate",),
    "sepa_debit": ("mandate",),
    "us_bank_account": ("payment_reference",),
}
_OF_THE_NETWORK = (
    "authorization_code",
    "electronic_commerce_indicator",
    "installments",
    "mandate",
    "network_transaction_id",
    "three_d_secure",
    "transaction_link_id",
)


def new_charge(account: AccountState, intent: Json, method: Json, status: str) -> Json:
    """Store the charge of an attempt to pay `intent`; `status`: succeeded, pending or failed."""
    prefix = "ch_" if method["type"] == "card" else "py_"
    charge: Json = {
        "id": account.ids.new(prefix),
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": 0,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": method.get("billing_details") or no_billing_details(),
        "calculated_statement_descriptor": intent["statement_descriptor"] or "SANDBOX",
        "captured": False,
        "created": account.now(),
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "fraud_details": {},
        "livemode": True,
        "metadata": dict(intent["metadata"]),
        "on_behalf_of": None,
        "outcome": _outcome(status),
        "paid": status != "failed",
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": _details(
            method, intent["amount"] if status != "failed" else None
        ),
        "radar_options": {},
        "receipt_email": intent["receipt_email"],
        "receipt_number": None,
        "receipt_url": None,
        "refunded": False,
        "review": None,
        "shipping": intent["shipping"],
        "source": None,
        "source_transfer": None,
        "statement_descriptor": intent["statement_descriptor"],
        "statement_descriptor_suffix": intent["statement_descriptor_suffix"],
        "status": status,
        "transfer_data": None,
        "transfer_group": intent["transfer_group"],
    }
    intent["latest_charge"] = charge["id"]
    return account.add(charge)


def _details(method: Json, authorized: int | None) -> Json:
    """Return what a charge says of its payment method: less than the method, and what came of it.

    `authorized` is in minor units, None if the bank has refused.
    """
    kind = method["type"]
    same = {name: v for name, v in method[kind].items() if name not in _OF_THE_METHOD_ONLY}
    if kind == "card":
        own = {"amount_authorized": authorized, "network": same["brand"]}
        own |= dict.fromkeys(_OF_THE_NETWORK)
    else:
        own = dict.fromkeys(_OF_THE_BANK.get(kind, ()))
    return {kind: {**same, **own}, "type": kind}


def _outcome(status: str, **changes: Any) -> Json:
    good = status != "failed"
    return {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "approved_by_network" if good else "declined_by_network",
        "reason": None,
        "risk_level": "normal",
        "seller_message": "Payment complete." if good else "The bank did not accept the payment.",
        "type": "authorized" if good else "issuer_declined",
        **changes,
    }


def capture(charge: Json, amount: int) -> None:
    """Collect `amount` (minor units) of an authorized charge, and give the rest back."""
    charge["captured"] = True
    charge["amount_captured"] = amount
    charge["status"] = "succeeded"
    charge["receipt_url"] = f"https://pay.stripe.com/receipts/{charge['id']}"


def book_late(account: AccountState, charge: Json) -> None:
    """Put a charge into the balance after it was told of, as Stripe does by default."""
    before = copied(charge)
    record_charge(account, charge)
    account.changed("charge.updated", charge, before)


def failed_charge(
    account: AccountState, intent: Json, method: Json, outcome: PaymentOutcome
) -> Json:
    """Store the charge of a refused attempt."""
    charge = new_charge(account, intent, method, "failed")
    mark_failed(charge, outcome)
    account.emit("charge.failed", charge)
    return charge


def mark_failed(charge: Json, outcome: PaymentOutcome) -> None:
    """Write a refusal into a charge."""
    charge["status"], charge["paid"] = "failed", False
    charge["failure_code"], charge["failure_message"] = outcome.code, outcome.message
    charge["outcome"] = _outcome("failed", reason=outcome.reason)
