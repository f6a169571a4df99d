"""The life of a subscription: its first invoice, its periods, its end."""

from __future__ import annotations

from typing import Any

from ..failures import StripeFailure, card_error
from ..state import AccountState
from ..wire import Json, copied
from .invoice_collection import pay
from .invoice_drafts import new_invoice, set_lines
from .invoice_payments import first_method, method_for
from .invoices import finalize, void
from .lines import line_of_item, line_of_subscription, tie
from .periods import period_end

_PAYABLE_FOR = 23 * 3600
_RUNNING = ("active", "past_due", "trialing")
OVER = ("canceled", "incomplete_expired")


def start(account: AccountState, subscription: Json, behavior: str, off_session: bool) -> None:
    """Store a subscription, send its first invoice and collect it as `behavior` says.

    StripeFailure (402) under `error_if_incomplete` if it cannot be collected: then nothing is
    left behind.
    """
    automatic = subscription["collection_method"] == "charge_automatically"
    charged = automatic and _first_total(subscription) > 0
    method = None
    if charged and behavior != "default_incomplete":
        default = subscription["default_payment_method"]
        method = first_method(account, subscription["customer"], (default,))
        if behavior == "error_if_incomplete":
            _check_collectable(account, method)
    for item in subscription["items"]["data"]:
        account.add(item)
    account.emit("customer.subscription.created", account.add(subscription))
    invoice = _new_invoice(account, subscription, "subscription_create", advances=not automatic)
    if not automatic:
        invoice["due_date"] = account.now() + subscription["days_until_due"] * 86_400
        _activate(account, subscription)
        return
    finalize(account, invoice)
    if method:
        _collect(account, subscription, invoice, method, off_session)


def _first_total(subscription: Json) -> int:
    free = subscription["status"] == "trialing"
    return 0 if free else sum(_amount(item) for item in subscription["items"]["data"])


def _amount(item: Json) -> int:
    return int(item["price"]["unit_amount"] * item["quantity"])


def _check_collectable(account: AccountState, method: Json) -> None:
    outcome = account.outcomes[method["id"]]
    if outcome.kind == "authentication_required":
        raise card_error(
            message="Payment for this subscription requires additional user action before it can "
            "be completed successfully.",
            code="subscription_payment_intent_requires_action",
        )
    if outcome.kind == "declined":
        raise StripeFailure(402, outcome.refusal(), executed=True)


def _new_invoice(
    account: AccountState, subscription: Json, reason: str, *, advances: bool = False
) -> Json:
    """Store a draft for the present period, with the customer's pending items on it."""
    customer = account.require("customer", subscription["customer"])
    invoice = new_invoice(account, customer, subscription["currency"], reason)
    invoice["parent"] = {
        "quote_details": None,
        "subscription_details": {
            "metadata": dict(subscription["metadata"]),
            "subscription": subscription["id"],
        },
        "type": "subscription_details",
    }
    invoice["collection_method"] = subscription["collection_method"]
    invoice["auto_advance"] = advances
    free = subscription["status"] == "trialing"
    own = [
        line_of_subscription(account, subscription, item, free)
        for item in subscription["items"]["data"]
    ]
    set_lines(invoice, own + _pending_lines(account, invoice))
    subscription["latest_invoice"] = invoice["id"]
    account.emit("invoice.created", account.add(invoice))
    return invoice


def _pending_lines(account: AccountState, invoice: Json) -> list[Json]:
    lines = []
    for item in list(account.all("invoiceitem"))[::-1]:
        same = item["customer"] == invoice["customer"] and item["currency"] == invoice["currency"]
        if same and item["invoice"] is None:
            tie(account, item, invoice)
            lines.append(line_of_item(account, item))
    return lines


def _collect(
    account: AccountState, subscription: Json, invoice: Json, method: Json, off_session: bool
) -> None:
    if invoice["status"] != "open":
        return
    try:
        pay(account, invoice, method, off_session)
    except StripeFailure:
        if subscription["status"] != "incomplete":
            _change(account, subscription, status="past_due")


def _activate(account: AccountState, subscription: Json) -> None:
    if subscription["status"] in ("incomplete", "past_due"):
        _change(account, subscription, status="active")


def _change(account: AccountState, subscription: Json, **changes: Any) -> None:
    before = copied(subscription)
    subscription.update(changes)
    account.changed("customer.subscription.updated", subscription, before)


def being_paid(account: AccountState, intent: Json) -> None:
    """A bank has begun to pay: that is enough for a subscription to be active."""
    payment_id = account.invoice_payment_of.get(intent["id"])
    if payment_id:
        payment = account.require("invoice_payment", payment_id)
        paid(account, account.require("invoice", payment["invoice"]))


def paid(account: AccountState, invoice: Json) -> None:
    """An invoice is paid: its subscription, if it waited for that, is active."""
    details = (invoice["parent"] or {}).get("subscription_details")
    subscription = account.find("subscription", details["subscription"]) if details else None
    if subscription and subscription["latest_invoice"] == invoice["id"]:
        _activate(account, subscription)


def cancel(account: AccountState, subscription: Json, details: Json | None = None) -> None:
    """End a subscription now. Its open invoices stay payable, but are not collected any more."""
    now = account.now()
    reason = {"reason": "cancellation_requested"}
    subscription["cancellation_details"] |= reason | (details or {})
    subscription.update(status="canceled", canceled_at=now, ended_at=now)
    invoice = account.find("invoice", subscription["latest_invoice"])
    if invoice and invoice["status"] in ("draft", "open"):
        invoice["auto_advance"], invoice["next_payment_attempt"] = False, None
    account.emit("customer.subscription.deleted", subscription)


def cancel_all_of(account: AccountState, customer: Json) -> None:
    """A customer was deleted: their subscriptions end."""
    for subscription in list(account.all("subscription")):
        if subscription["customer"] == customer["id"] and subscription["status"] not in OVER:
            cancel(account, subscription)


def advance(account: AccountState, _: Json) -> None:
    """Expire what was never paid, and begin new periods."""
    for subscription in list(account.all("subscription"))[::-1]:
        unpaid_since = subscription["created"] + _PAYABLE_FOR
        if subscription["status"] == "incomplete" and account.now() >= unpaid_since:
            _expire(account, subscription)
        while subscription["status"] in _RUNNING and account.now() >= _ends(subscription):
            _renew(account, subscription)


def _expire(account: AccountState, subscription: Json) -> None:
    invoice = account.require("invoice", subscription["latest_invoice"])
    if invoice["status"] == "open":
        void(account, invoice)
    _change(account, subscription, status="incomplete_expired", ended_at=account.now())


def _ends(subscription: Json) -> int:
    return int(min(item["current_period_end"] for item in subscription["items"]["data"]))


def _renew(account: AccountState, subscription: Json) -> None:
    if subscription["cancel_at_period_end"]:
        cancel(account, subscription)
        return
    before = copied(subscription)
    for item in subscription["items"]["data"]:
        recurring, begin = item["price"]["recurring"], item["current_period_end"]
        item["current_period_start"] = begin
        length = recurring["interval"], recurring["interval_count"]
        item["current_period_end"] = period_end(begin, *length)
    if subscription["status"] == "trialing":
        subscription["status"] = "active"
    invoice = _new_invoice(account, subscription, "subscription_cycle", advances=True)
    account.changed("customer.subscription.updated", subscription, before)
    if subscription["collection_method"] == "charge_automatically":
        finalize(account, invoice)
        _charge_period(account, subscription, invoice)


def _charge_period(account: AccountState, subscription: Json, invoice: Json) -> None:
    try:
        method = method_for(account, invoice)
    except StripeFailure:
        _change(account, subscription, status="past_due")
        return
    _collect(account, subscription, invoice, method, off_session=True)
