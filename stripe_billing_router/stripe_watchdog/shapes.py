"""Stripe's objects as rows of the workspace: only what is compared, in the order of its columns.

What is missing in an object is None here; what has the wrong type raises KeyError, TypeError or
AttributeError, and the page counts as one that cannot be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Object = Mapping[str, Any]
Row = tuple[str, tuple[Any, ...]]
"""Table and values."""


def charge(shown: Object) -> Row:
    """A charge is known by its payment intent; one without is known by itself."""
    intent = _id(shown.get("payment_intent"))
    return "charges", (
        shown["id"],
        shown["created"] * 1000,
        shown["status"],
        shown["amount_captured"],
        shown["currency"],
        intent or shown["id"],
        *_owner(shown),
        _destination(shown),
    )


def intent(shown: Object) -> Row:
    return "intents", (shown["id"], shown["status"], *_owner(shown))


def refund(shown: Object) -> Row:
    return "refunds", (
        shown["id"],
        shown["created"] * 1000,
        shown.get("status") or "pending",
        shown["amount"],
        shown["currency"],
        _id(shown.get("payment_intent")) or _id(shown.get("charge")),
        *_owner(shown),
    )


def dispute(shown: Object) -> Row:
    details = shown.get("evidence_details") or {}
    due = details.get("due_by")
    return "disputes", (
        shown["id"],
        shown["created"] * 1000,
        shown["status"],
        shown["amount"],
        shown["currency"],
        _id(shown.get("payment_intent")) or _id(shown.get("charge")),
        shown.get("reason"),
        None if due is None else due * 1000,
    )


def invoice(shown: Object) -> Row:
    """The subscription's metadata is the copy that the invoice took when it was made."""
    details = (shown.get("parent") or {}).get("subscription_details") or {}
    return "invoices", (
        shown["id"],
        shown["status"],
        *_owner(shown),
        shown.get("billing_reason"),
        _id(details.get("subscription")),
        *_owner(details),
    )


def invoice_payment(shown: Object) -> Row:
    paid_by = shown["payment"]
    payment = _id(paid_by.get("payment_intent")) or _id(paid_by.get("charge"))
    return "invoice_payments", (shown["id"], _id(shown["invoice"]), payment)


def subscription(shown: Object) -> Row:
    return "subscriptions", (shown["id"], *_owner(shown))


def session(shown: Object) -> Row:
    done = shown["status"] == "complete" and shown.get("payment_status") != "unpaid"
    return "sessions", (
        shown["id"],
        done,
        _id(shown.get("payment_intent")),
        _id(shown.get("subscription")),
        *_owner(shown),
    )


def failure(shown: Object) -> Row:
    """An event about something that failed: a charge, a payment intent or an invoice."""
    about = shown["data"]["object"]
    kind = about["object"]
    intent = about["id"] if kind == "payment_intent" else _id(about.get("payment_intent"))
    charge = about["id"] if kind == "charge" else None
    return "failures", (
        shown["id"],
        shown["created"] * 1000,
        about.get("amount", about.get("amount_due")),
        about.get("currency"),
        intent or charge,
        about["id"] if kind == "invoice" else None,
        *_owner(about),
    )


def transaction(shown: Object) -> Row:
    return "transactions", (
        shown["id"],
        _id(shown.get("source")),
        shown["reporting_category"],
        shown["amount"],
        shown["currency"],
        shown.get("exchange_rate") is not None,
    )


def _id(value: Any) -> str | None:
    """An id, or the object where Stripe was asked to expand it."""
    found = value.get("id") if isinstance(value, Mapping) else value
    return str(found) if found else None


def _owner(shown: Object) -> tuple[str | None, str | None]:
    metadata = shown.get("metadata") or {}
    return metadata.get("operation_id"), metadata.get("bot_id")


def _destination(shown: Object) -> str | None:
    """The account that the money goes to, if it is not the platform's own."""
    transfer = shown.get("transfer_data") or {}
    return _id(transfer.get("destination")) or _id(shown.get("on_behalf_of"))
