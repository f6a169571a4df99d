"""What happens to a setup intent: a payment method is checked and kept, nothing is charged."""

from __future__ import annotations

from ..failures import StripeFailure
from ..state import AccountState
from ..wire import Json, copied
from .outcomes import SUCCEEDS, PaymentOutcome
from .payment_methods import attach
from .payments import next_action

OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")


def new_setup(account: AccountState, customer: str | None) -> Json:
    """Return a setup intent, not stored yet."""
    setup_id = account.ids.new("seti_")
    return {
        "id": setup_id,
        "object": "setup_intent",
        "allowed_payment_method_types": None,
        "application": None,
        "automatic_payment_methods": {"allow_redirects": "always", "enabled": True},
        "cancellation_reason": None,
        "client_secret": account.ids.secret_of(setup_id),
        "created": account.now(),
        "customer": customer,
        "customer_account": None,
        "description": None,
        "excluded_payment_method_types": None,
        "flow_directions": None,
        "last_setup_error": None,
        "latest_attempt": None,
        "livemode": True,
        "mandate": None,
        "metadata": {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {},
        "payment_method_types": ["card", "us_bank_account"],
        "single_use_mandate": None,
        "status": "requires_payment_method",
        "usage": "off_session",
    }


def attempt(account: AccountState, setup: Json, method: Json, return_url: str | None) -> None:
    """Check a payment method. StripeFailure (402) if the bank says no."""
    outcome = account.outcomes.get(method["id"], SUCCEEDS)
    setup["payment_method"], setup["last_setup_error"] = method["id"], None
    if outcome.kind == "authentication_required":
        setup["status"] = "requires_action"
        setup["next_action"] = next_action(setup["id"], return_url)
        account.emit("setup_intent.requires_action", setup)
    elif outcome.kind == "declined":
        raise _refuse(account, setup, outcome)
    else:
        succeed(account, setup, method)


def succeed(account: AccountState, setup: Json, method: Json) -> None:
    """Keep the payment method for its customer."""
    setup.update(status="succeeded", payment_method=method["id"], next_action=None)
    if setup["customer"]:
        attach(account, method, setup["customer"])
    account.emit("setup_intent.succeeded", setup)


def _refuse(account: AccountState, setup: Json, outcome: PaymentOutcome) -> StripeFailure:
    error = outcome.refusal()
    setup.update(
        status="requires_payment_method",
        payment_method=None,
        next_action=None,
        last_setup_error=error,
    )
    account.emit("setup_intent.setup_failed", setup)
    return StripeFailure(402, {**error, "setup_intent": copied(setup)}, executed=True)


def complete_action(account: AccountState, setup: Json, succeeds: bool) -> None:
    """Play the customer: finish the authentication or fail to. ValueError if none is waited for."""
    if setup["status"] != "requires_action":
        raise ValueError(f"{setup['id']} is {setup['status']}: it does not wait for its customer")
    method = account.require("payment_method", setup["payment_method"])
    if succeeds:
        succeed(account, setup, method)
    else:
        _refuse(account, setup, PaymentOutcome("declined", "setup_intent_authentication_failure"))


def cancel(account: AccountState, setup: Json, reason: str | None) -> None:
    """Cancel a setup intent that is still open."""
    setup.update(status="canceled", cancellation_reason=reason, next_action=None)
    account.emit("setup_intent.canceled", setup)
