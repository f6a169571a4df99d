"""The life of a Checkout session: open, then complete or expired."""

from __future__ import annotations

from typing import Any

from ..clock import DAY
from ..failures import StripeFailure
from ..state import AccountState
from ..wire import Json
from . import setups
from .invoice_payments import intent_of
from .payments import Manner, attempt, cancel, new_intent, succeed
from .subscription_objects import new_subscription
from .subscriptions import start

_OPEN_FOR = DAY
_PAYABLE = ("requires_payment_method", "requires_confirmation", "requires_action")


def new_session(account: AccountState, mode: str, items: list[Json], **fields: Any) -> Json:
    """Return an open session over line items, not stored yet."""
    session_id = account.ids.new("cs_live_", 58)
    total = sum(item["amount_total"] for item in items)
    priced = mode != "setup"
    return {
        "id": session_id,
        "object": "checkout.session",
        "adaptive_pricing": {"enabled": False},
        "after_expiration": None,
        "allowed_payment_method_types": None,
        "allow_promotion_codes": None,
        "amount_subtotal": total if priced else None,
        "amount_total": total if priced else None,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "billing_address_collection": None,
        "cancel_url": None,
        "client_reference_id": None,
        "client_secret": None,
        "collected_information": None,
        "consent": None,
        "consent_collection": None,
        "created": account.now(),
        "currency": items[0]["currency"] if items else None,
        "currency_conversion": None,
        "custom_fields": [],
        "custom_text": dict.fromkeys(
            ("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")
        ),
        "customer": None,
        "customer_account": None,
        "customer_creation": "if_required" if mode == "payment" else None,
        "customer_details": None,
        "customer_email": None,
        "discounts": [],
        "expires_at": account.now() + _OPEN_FOR,
        "integration_identifier": None,
        "invoice": None,
        "invoice_creation": None,
        "livemode": True,
        "locale": None,
        "managed_payments": None,
        "metadata": {},
        "mode": mode,
        "origin_context": None,
        "payment_intent": None,
        "payment_link": None,
        "payment_method_collection": "always" if mode == "subscription" else "if_required",
        "payment_method_configuration_details": None,
        "payment_method_options": {},
        "payment_method_types": ["card", "us_bank_account"],
        "payment_status": "unpaid" if total and priced else "no_payment_required",
        "permissions": None,
        "phone_number_collection": {"enabled": False},
        "recovered_from": None,
        "return_url": None,
        "saved_payment_method_options": None,
        "setup_intent": None,
        "shipping_address_collection": None,
        "shipping_cost": None,
        "shipping_options": [],
        "status": "open",
        "submit_type": None,
        "subscription": None,
        "success_url": None,
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted_page",
        "url": f"https://checkout.stripe.com/c/pay/{session_id}",
        "wallet_options": None,
        **fields,
    }


def new_line(account: AccountState, price: Json, quantity: int, name: str) -> Json:
    """Return one line item of a session."""
    amount = price["unit_amount"] * quantity
    return {
        "id": account.ids.new("li_"),
        "object": "item",
        "adjustable_quantity": None,
        "amount_discount": 0,
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "currency": price["currency"],
        "description": name,
        "discounts": [],
        "metadata": {},
        "price": price,
        "quantity": quantity,
        "taxes": [],
    }


def require_open(session: Json) -> None:
    """ValueError if a session is complete or expired."""
    if session["status"] != "open":
        raise ValueError(f"{session['id']} is {session['status']}, not open")


def complete(account: AccountState, session: Json, method: Json, customer: str | None) -> None:
    """Play the customer: fill the form in and pay. A refused card leaves the session open.

    `customer` is who the payment is for, if anybody.
    """
    session["customer"] = customer
    play = {"payment": _pay, "setup": _set_up, "subscription": _subscribe}[session["mode"]]
    try:
        play(account, session, method)
    except StripeFailure:
        return
    session["status"], session["url"] = "complete", None
    account.emit("checkout.session.completed", session)


def _pay(account: AccountState, session: Json, method: Json) -> None:
    if not session["amount_total"]:
        return
    intent = _intent(account, session)
    if intent["status"] in _PAYABLE:
        attempt(account, intent, method, Manner())
    if intent["status"] == "requires_action":
        succeed(account, intent, method)
    session["payment_status"] = "unpaid" if intent["status"] == "processing" else "paid"


def _intent(account: AccountState, session: Json) -> Json:
    earlier = account.find("payment_intent", session["payment_intent"] or "")
    if earlier and earlier["status"] != "canceled":
        return earlier
    asked = account.notes[session["id"]]["payment_intent_data"]
    amount, currency = session["amount_total"], session["currency"]
    intent = new_intent(account, amount, currency, session["customer"])
    intent.update({name: value for name, value in asked.items() if name in intent})
    account.emit("payment_intent.created", account.add(intent))
    account.notes[intent["id"]] = {"session": session["id"]}
    session["payment_intent"] = intent["id"]
    return intent


def _set_up(account: AccountState, session: Json, method: Json) -> None:
    setup = setups.new_setup(account, session["customer"])
    setup["metadata"] = account.notes[session["id"]]["setup_intent_data"].get("metadata", {})
    account.emit("setup_intent.created", account.add(setup))
    session["setup_intent"] = setup["id"]
    setups.attempt(account, setup, method, None)
    if setup["status"] == "requires_action":
        setups.complete_action(account, setup, succeeds=True)


def _subscribe(account: AccountState, session: Json, method: Json) -> None:
    lines = account.notes[session["id"]]["lines"]
    asked = account.notes[session["id"]]["subscription_data"]
    prices = [{**line["price"], "quantity": line["quantity"]} for line in lines]
    words = {name: asked[name] for name in ("description", "metadata") if name in asked}
    method["customer"] = session["customer"]
    subscription = new_subscription(
        account, session["customer"], prices, default_payment_method=method["id"], **words
    )
    start(account, subscription, "error_if_incomplete", off_session=False)
    session["subscription"] = subscription["id"]
    session["invoice"] = subscription["latest_invoice"]
    invoice = account.require("invoice", subscription["latest_invoice"])
    session["payment_status"] = "paid" if invoice["status"] == "paid" else "unpaid"
    intent = intent_of(account, invoice)
    if intent:
        account.notes[intent["id"]] = {"session": session["id"]}


def paid_late(account: AccountState, intent: Json) -> None:
    """A payment succeeded: the session that waited for it is paid."""
    session = _waiting(account, intent)
    if session:
        session["payment_status"] = "paid"
        account.emit("checkout.session.async_payment_succeeded", session)


def failed_late(account: AccountState, intent: Json) -> None:
    """A payment failed after its session was complete."""
    session = _waiting(account, intent)
    if session:
        account.emit("checkout.session.async_payment_failed", session)


def _waiting(account: AccountState, intent: Json) -> Json | None:
    note = account.notes.get(intent["id"], {})
    session = account.find("checkout.session", note.get("session", ""))
    late = session and session["status"] == "complete" and session["payment_status"] == "unpaid"
    return session if late else None


def expire(account: AccountState, session: Json) -> None:
    """Close an open session; the payment that a refused card has left is cancelled with it."""
    intent = account.find("payment_intent", session["payment_intent"] or "")
    if intent and intent["status"] in _PAYABLE:
        cancel(account, intent, "expired")
    session["status"], session["url"] = "expired", None
    account.emit("checkout.session.expired", session)


def advance(account: AccountState, _: Json) -> None:
    """Expire the sessions whose time is over."""
    for session in account.all("checkout.session"):
        if session["status"] == "open" and account.now() >= session["expires_at"]:
            expire(account, session)
