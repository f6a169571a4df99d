"""Collecting invoices: attempts, what banks and customers answer, and what time brings."""

from __future__ import annotations

from ..clock import DAY
from ..failures import StripeFailure, card_error, refused
from ..state import AccountState
from ..wire import Json, copied
from .invoice_payments import intent_of, method_for
from .invoices import finalize, mark_paid
from .payments import Manner, attempt

_HOUR = 3600
_RETRY_AFTER, _MOST_ATTEMPTS = 3 * DAY, 4


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
    mark_paid(account, invoice)


def refused_by_bank(account: AccountState, intent: Json) -> None:
    """A payment intent was refused: if it is an invoice's, the attempt is counted."""
    _, invoice = _paid_for(account, intent)
    if invoice is None:
        return
    before = copied(invoice)
    invoice["attempted"] = True
    invoice["attempt_count"] += 1
    again = invoice["auto_advance"] and invoice["attempt_count"] < _MOST_ATTEMPTS
    invoice["next_payment_attempt"] = account.now() + _RETRY_AFTER if again else None
    account.changed("invoice.updated", invoice, before)
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


def stop_collecting(account: AccountState, customer: Json) -> None:
    """A customer was deleted: nothing of theirs is collected by time any more."""
    for invoice in account.all("invoice"):
        if invoice["customer"] == customer["id"]:
            invoice["auto_advance"], invoice["next_payment_attempt"] = False, None


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
