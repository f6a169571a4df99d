"""The life of an invoice: draft, open, paid, void, uncollectible."""

from __future__ import annotations

from ..failures import refused
from ..state import AccountState
from ..wire import Json, copied
from .checks import minimum
from .invoice_payments import expect_payment, intent_of, payment_of
from .payments import CANCELABLE, cancel

_HOUR = 3600


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
    now, before = account.now(), copied(invoice)
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
        expect_payment(account, invoice)
    account.emit("invoice.finalized", invoice)
    account.changed("invoice.updated", invoice, before)
    if not invoice["amount_due"]:
        mark_paid(account, invoice)


def _use_balance(invoice: Json, customer: Json) -> None:
    """Credit is used up; a debt too small to be charged is carried to the next invoice."""
    due = invoice["total"] + customer["balance"]
    carried = due if due < minimum(invoice["currency"]) else 0
    invoice["starting_balance"], invoice["ending_balance"] = customer["balance"], carried
    customer["balance"] = carried
    invoice["amount_due"] = invoice["amount_remaining"] = due - carried


def pay_out_of_band(account: AccountState, invoice: Json) -> None:
    """Note that an open invoice was paid elsewhere; nothing is collected."""
    _stop_payment(account, invoice, "abandoned")
    invoice["amount_paid_off_stripe"] = invoice["amount_due"]
    mark_paid(account, invoice)


def void(account: AccountState, invoice: Json) -> None:
    """Void an invoice: nobody can pay it any more."""
    before = copied(invoice)
    _stop_payment(account, invoice, "void_invoice")
    invoice["status"], invoice["auto_advance"] = "void", False
    invoice["next_payment_attempt"] = None
    invoice["status_transitions"]["voided_at"] = account.now()
    _give_balance_back(account, invoice)
    account.changed("invoice.updated", invoice, before)
    account.emit("invoice.voided", invoice)


def _give_balance_back(account: AccountState, invoice: Json) -> None:
    """The credit or debt that a voided invoice took in is its customer's again."""
    customer = account.find("customer", invoice["customer"])
    if customer and not customer.get("deleted") and invoice["ending_balance"] is not None:
        before = copied(customer)
        customer["balance"] += invoice["starting_balance"] - invoice["ending_balance"]
        account.changed("customer.updated", customer, before)


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


def mark_paid(account: AccountState, invoice: Json) -> None:
    """Close an invoice as paid."""
    before = copied(invoice)
    invoice["status"], invoice["amount_remaining"] = "paid", 0
    invoice["attempted"], invoice["next_payment_attempt"] = True, None
    invoice["status_transitions"]["paid_at"] = account.now()
    account.changed("invoice.updated", invoice, before)
    account.emit("invoice.paid", invoice)
    account.emit("invoice.payment_succeeded", invoice)
