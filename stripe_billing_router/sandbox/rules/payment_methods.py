"""Payment methods: making them, and which one may be used for what."""

from __future__ import annotations

from ..failures import StripeFailure, invalid, no_such
from ..state import AccountState
from ..wire import Json
from .outcomes import ATTACHABLE_THOUGH_DECLINED, PaymentOutcome, test_outcome

_YEAR = 31_556_952


def new_method(
    account: AccountState, outcome: PaymentOutcome, method_id: str | None = None
) -> Json:
    """Make and store a payment method that behaves as `outcome` says."""
    bank = outcome.kind == "processing"
    method: Json = {
        "id": method_id or account.ids.new("pm_"),
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": no_billing_details(),
        "created": account.now(),
        "customer": None,
        "customer_account": None,
        "livemode": True,
        "metadata": {},
        "type": "us_bank_account" if bank else "card",
        **({"us_bank_account": _bank()} if bank else {"card": _card(account)}),
    }
    account.outcomes[method["id"]] = outcome
    return account.add(method)


def no_billing_details() -> Json:
    """Return billing details with nothing in them."""
    address = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))
    return {"address": address, "email": None, "name": None, "phone": None, "tax_id": None}


def _card(account: AccountState) -> Json:
    return {
        "brand": "visa",
        "checks": {
            "address_line1_check": None,
            "address_postal_code_check": None,
            "cvc_check": "pass",
        },
        "country": "US",
        "display_brand": "visa",
        "exp_month": 12,
        "exp_year": 1970 + account.now() // _YEAR + 3,
        "fingerprint": "sandboxcard00001",
        "funding": "credit",
        "generated_from": None,
        "last4": "4242",
        "networks": {"available": ["visa"], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }


def _bank() -> Json:
    return {
        "account_holder_type": "company",
        "account_type": "checking",
        "bank_name": "SANDBOX BANK",
        "financial_connections_account": None,
        "fingerprint": "sandboxbank00001",
        "last4": "6789",
        "networks": {"preferred": "ach", "supported": ["ach"]},
        "routing_number": "110000000",
        "status_details": None,
    }


def method_or_new(account: AccountState, method_id: str, param: str | None = None) -> Json:
    """Return a payment method; one of Stripe's test ids makes a new one each time."""
    found = account.find("payment_method", method_id)
    outcome = test_outcome(method_id)
    if found is None and outcome:
        return new_method(account, outcome)
    if found is None:
        raise no_such("PaymentMethod", method_id, param)
    return found


def usable_method(
    account: AccountState,
    method_id: str,
    customer_id: str | None,
    param: str = "payment_method",
    *,
    attached: bool = False,
) -> Json:
    """Return a payment method that may be used for a customer; StripeFailure (400) if it may not.

    `attached` demands that it belongs to the customer already.
    """
    method = method_or_new(account, method_id, param)
    owner = method["customer"]
    if owner and owner != customer_id:
        raise invalid(
            f"The payment method supplied ({method_id}) belongs to the Customer {owner}. Please "
            "include the Customer in the `customer` parameter.",
            param,
        )
    if method["id"] in account.used_up:
        raise invalid(
            "The provided PaymentMethod was used before without being attached to a Customer, or "
            "was detached from one. It may not be used again.",
            param,
        )
    if attached and owner is None:
        raise invalid(
            f"The customer does not have a payment method with the ID {method_id}. The payment "
            "method must be attached to the customer.",
            param,
            "resource_missing",
        )
    return method


def attach(account: AccountState, method: Json, customer_id: str) -> None:
    """Attach a payment method that `usable_method` let through to a customer."""
    if method["customer"] != customer_id:
        method["customer"] = customer_id
        account.emit("payment_method.attached", method)


def refuse_declining_card(method_id: str) -> None:
    """StripeFailure (402) for test cards that Stripe declines when they are attached."""
    outcome = test_outcome(method_id)
    if outcome and outcome.kind == "declined" and method_id not in ATTACHABLE_THOUGH_DECLINED:
        raise StripeFailure(402, outcome.refusal(), executed=True)
