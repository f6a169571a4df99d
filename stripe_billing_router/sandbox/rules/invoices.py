"""The life of an invoice: draft, open, paid, void, uncollectible."""

from __future__ import annotations

from ..clock import DAY
from ..failures import StripeFailure, card_error, refused
from ..paging import envelope
from ..state import AccountState
from ..wire import Json, copied
from .checks import minimum
from .payment_methods import usable_method
from .payments import CANCELABLE, Manner, attempt, cancel, new_intent

_HOUR = 3600
_RETRY_AFTER, _MOST_ATTEMPTS = 3 * DAY, 4


def new_invoice(account: AccountState, customer: Json, currency: str, reason: str) -> Json:
    """Return an empty draft, not stored yet; `reason` is Stripe's `billing_reason`."""
    invoice_id, now = account.ids.new("in_"), account.now()
    return {
        "id": invoice_id,
        "object": "invoice",
        "account_country": "US",
        "account_name": "Sandbox",
        "account_tax_ids": None,
        "amount_due": 0,
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_paid_off_stripe": 0,
        "amount_remaining": 0,
        "amount_shipping": 0,
        "application": None,
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": False,
        "automatic_tax": {
            "disabled_reason": None,
            "enabled": False,
            "liability": None,
            "provider": None,
            "status": None,
        },
        "automatically_finalizes_at": None,
        "billing_reason": reason,
        "collection_method": "charge_automatically",
        "created": now,
        "currency": currency.lower(),
        "custom_fields": None,
        "customer": customer["id"],
        "customer_account": None,
        "customer_address": customer["address"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "customer_phone": customer["phone"],
        "customer_shipping": customer["shipping"],
        "customer_tax_exempt": customer["tax_exempt"],
        "customer_tax_ids": [],
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "due_date": None,
        "effective_at": None,
        "ending_balance": None,
        "footer": None,
        "from_invoice": None,
        "hosted_invoice_url": None,
        "invoice_pdf": None,
        "issuer": {"type": "self"},
        "last_finalization_error": None,
        "latest_revision": None,
        "lines": envelope(f"/v1/invoices/{invoice_id}/lines", []),
        "livemode": True,
        "metadata": {},
        "next_payment_attempt": None,
        "number": None,
        "on_behalf_of": None,
        "parent": None,
        "payment_settings": {
            "default_mandate": None,
            "payment_method_options": None,
            "payment_method_types": None,
        },
        "period_end": now,
        "period_start": now,
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "receipt_number": None,
        "rendering": None,
        "shipping_cost": None,
        "shipping_details": None,
        "starting_balance": 0,
        "statement_descriptor": None,
        "status": "draft",
        "status_transitions": dict.fromkeys(
            ("finalized_at", "marked_uncollectible_at", "paid_at", "voided_at")
        ),
        "subtotal": 0,
        "subtotal_excluding_tax": 0,
        "test_clock": None,
        "total": 0,
        "total_discount_amounts": [],
        "total_excluding_tax": 0,
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
        "webhooks_delivered_at": None,
    }


def set_lines(invoice: Json, lines: list[Json]) -> None:
    """Let an invoice list these lines, and add them up."""
    invoice["lines"]["data"] = [{**line, "invoice": invoice["id"]} for line in lines]
    total = sum(line["amount"] for line in lines)
    for name in ("subtotal", "subtotal_excluding_tax", "total", "total_excluding_tax"):
        invoice[name] = total
    invoice["amount_due"] = invoice["amount_remaining"] = max(total, 0)


def in_state(invoice: Json, states: tuple[str, ...], what: str) -> None:
    """StripeFailure (400) unless the invoice is in one of the states."""
    if invoice["status"] not in states:
        raise refused(
            f"You can only {what} an invoice that is {' or '.join(states)}; this one is "
            f"{invoice['status']}.",
            code="invoice_not_editable" if what == "change" else None,
        )


def finalize(account: AccountState, invoice: Json) -> None:
    """Open a draft: what is due is fixed, and a payment intent waits for it."""
    customer = account.require("customer", invoice["customer"], "customer")
    now = account.now()
    _use_balance(invoice, customer)
    invoice["status"], invoice["effective_at"] = "open", now
    invoice["status_transitions"]["finalized_at"] = now
    invoice["automatically_finalizes_at"] = None
    invoice["number"] = f"{customer['invoice_prefix']}-{customer['next_invoice_sequence']:04}"
    customer["next_invoice_sequence"] += 1
    invoice["hosted_invoice_url"] = f"https://invoice.stripe.com/i/{invoice['id']}"
    invoice["invoice_pdf"] = f"https://pay.stripe.com/invoice/{invoice['id']}/pdf"
    if invoice["auto_advance"]:
        invoice["next_payment_attempt"] = now + _HOUR
    if invoice["amount_due"]:
        _expect_payment(account, invoice)
    account.emit("invoice.finalized", invoice)
    if not invoice["amount_due"]:
        _mark_paid(account, invoice)


def _use_balance(invoice: Json, customer: Json) -> None:
    """Credit is used up; a debt too small to be charged is carried to the next invoice."""
    due = invoice["total"] + customer["balance"]
    carried = due if due < minimum(invoice["currency"]) else 0
    invoice["starting_balance"], invoice["ending_balance"] = customer["balance"], carried
    customer["balance"] = carried
    invoice["amount_due"] = invoice["amount_remaining"] = due - carried


def _expect_payment(account: AccountState, invoice: Json) -> None:
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
    account.invoice_payment_of[intent["id"]] = payment["id"]


def payment_of(account: AccountState, invoice: Json) -> Json | None:
    """Return the invoice payment of an invoice, None if nothing was ever due."""
    found = (p for p in account.all("invoice_payment") if p["invoice"] == invoice["id"])
    return next(found, None)


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


def pay(account: AccountState, invoice: Json, method: Json, off_session: bool) -> None:
    """Try to collect an open invoice. StripeFailure (402) if the payment method says no."""
    intent = intent_of(account, invoice)
    if intent is None or intent["status"] == "processing":
        raise refused("A payment for this invoice is being processed already.")
    outcome = account.outcomes.get(method["id"])
    waits = outcome is not None and outcome.kind == "authentication_required"
    attempt(account, intent, method, Manner(off_session=off_session and not waits))
    if waits:
        raise card_error(
            message="This payment requires additional user action before it can be completed "
            "successfully. It can be completed using the PaymentIntent of the invoice.",
            code="invoice_payment_intent_requires_action",
            payment_intent=copied(intent),
        )


def pay_out_of_band(account: AccountState, invoice: Json) -> None:
    """Note that an open invoice was paid elsewhere; nothing is collected."""
    _stop_payment(account, invoice, "abandoned")
    invoice["amount_paid_off_stripe"] = invoice["amount_due"]
    _mark_paid(account, invoice)


def void(account: AccountState, invoice: Json) -> None:
    """Void an invoice: nobody can pay it any more."""
    _stop_payment(account, invoice, "void_invoice")
    invoice["status"], invoice["auto_advance"] = "void", False
    invoice["next_payment_attempt"] = None
    invoice["status_transitions"]["voided_at"] = account.now()
    account.emit("invoice.voided", invoice)


def _stop_payment(account: AccountState, invoice: Json, reason: str) -> None:
    payment, intent = payment_of(account, invoice), intent_of(account, invoice)
    if payment is None or intent is None:
        return
    if intent["status"] not in CANCELABLE:
        raise refused(f"The payment of this invoice is {intent['status']}.")
    cancel(account, intent, reason)
    payment["status"] = "canceled"
    payment["status_transitions"]["canceled_at"] = account.now()


def mark_uncollectible(account: AccountState, invoice: Json) -> None:
    """Give an open invoice up; it can still be paid."""
    invoice["status"], invoice["auto_advance"] = "uncollectible", False
    invoice["next_payment_attempt"] = None
    invoice["status_transitions"]["marked_uncollectible_at"] = account.now()
    account.emit("invoice.marked_uncollectible", invoice)


def collected(account: AccountState, intent: Json) -> None:
    """A payment intent succeeded: if it is an invoice's, the invoice is paid."""
    payment, invoice = _paid_for(account, intent)
    if payment is None or invoice is None:
        return
    payment["status"], payment["amount_paid"] = "paid", intent["amount_received"]
    payment["status_transitions"]["paid_at"] = account.now()
    invoice["amount_paid"] = intent["amount_received"]
    invoice["attempted"] = True
    invoice["attempt_count"] += 1
    account.emit("invoice_payment.paid", payment)
    _mark_paid(account, invoice)


def _mark_paid(account: AccountState, invoice: Json) -> None:
    invoice["status"], invoice["amount_remaining"] = "paid", 0
    invoice["attempted"], invoice["next_payment_attempt"] = True, None
    invoice["status_transitions"]["paid_at"] = account.now()
    account.emit("invoice.paid", invoice)
    account.emit("invoice.payment_succeeded", invoice)


def refused_by_bank(account: AccountState, intent: Json) -> None:
    """A payment intent was refused: if it is an invoice's, the attempt is counted."""
    _, invoice = _paid_for(account, intent)
    if invoice is None:
        return
    invoice["attempted"] = True
    invoice["attempt_count"] += 1
    again = invoice["auto_advance"] and invoice["attempt_count"] < _MOST_ATTEMPTS
    invoice["next_payment_attempt"] = account.now() + _RETRY_AFTER if again else None
    account.emit("invoice.payment_failed", invoice)


def waits_for_customer(account: AccountState, intent: Json) -> None:
    """A payment intent needs its customer: if it is an invoice's, the invoice says so."""
    _, invoice = _paid_for(account, intent)
    if invoice is not None:
        account.emit("invoice.payment_action_required", invoice)


def _paid_for(account: AccountState, intent: Json) -> tuple[Json | None, Json | None]:
    payment_id = account.invoice_payment_of.get(intent["id"])
    if payment_id is None:
        return None, None
    payment = account.require("invoice_payment", payment_id)
    return payment, account.find("invoice", payment["invoice"])


def advance(account: AccountState, _: Json) -> None:
    """Finalize and collect what Stripe would by now: only invoices that advance by themselves."""
    for invoice in list(account.all("invoice")):
        if not invoice["auto_advance"]:
            continue
        if invoice["status"] == "draft" and account.now() >= invoice["created"] + _HOUR:
            finalize(account, invoice)
        due = invoice["next_payment_attempt"]
        if invoice["status"] == "open" and due is not None and account.now() >= due:
            _collect_by_itself(account, invoice)


def _collect_by_itself(account: AccountState, invoice: Json) -> None:
    invoice["next_payment_attempt"] = None
    if invoice["collection_method"] != "charge_automatically":
        return
    try:
        pay(account, invoice, method_for(account, invoice), off_session=True)
    except StripeFailure:
        return
