"""What really happened: read in the sandbox and in the database, past the library."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from stripe_billing_router.sandbox import World

Kind = Literal["payment", "refund", "subscription", "session", "customer"]

_PAYABLE = {
    "invoice": ("draft", "open", "uncollectible"),
    "payment_intent": (
        "requires_payment_method",
        "requires_confirmation",
        "requires_action",
        "requires_capture",
    ),
    "subscription": ("incomplete",),
    "checkout.session": ("open",),
}
_LIVE_SUBSCRIPTION = ("active", "past_due", "trialing", "unpaid", "paused", "incomplete")


@dataclass(frozen=True, slots=True)
class Effect:
    """Something that an operation brought about in Stripe, and that still stands.

    `minor` is what it moved; a payment on its way has moved nothing yet.
    """

    id: str
    operation_id: str | None
    kind: Kind
    minor: int
    currency: str | None
    under_way: bool = False


def effects(world: World) -> Iterator[Effect]:
    """Yield every effect that stands now."""
    state = world.state()
    for intent in state.all("payment_intent"):
        if intent["status"] in ("succeeded", "processing"):
            yield _payment(state, intent)
    for refund in state.all("refund"):
        if refund["status"] in ("succeeded", "pending"):
            yield _simple(refund, "refund", refund["amount"])
    for subscription in state.all("subscription"):
        if subscription["status"] in _LIVE_SUBSCRIPTION:
            yield _simple(subscription, "subscription")
    for session in state.all("checkout.session"):
        collects = session["status"] == "complete" and session["payment_status"] != "unpaid"
        if session["status"] == "open" or collects:  # of one at a bank, its payment is the effect
            yield _simple(session, "session")
    for customer in state.all("customer"):
        if "operation_id" in customer["metadata"]:
            yield _simple(customer, "customer")


def _payment(state: Any, intent: dict[str, Any]) -> Effect:
    return Effect(
        intent["id"],
        operation_of_payment(state, intent),
        "payment",
        intent["amount_received"],
        intent["currency"],
        intent["status"] == "processing",
    )


def _simple(body: dict[str, Any], kind: Kind, minor: int = 0) -> Effect:
    return Effect(
        body["id"], body["metadata"].get("operation_id"), kind, minor, body.get("currency")
    )


def operation_of_payment(state: Any, intent: dict[str, Any]) -> str | None:
    """Return the operation of a payment intent: its own, its invoice's, its subscription's."""
    found: str | None = intent["metadata"].get("operation_id")
    payment = state.find("invoice_payment", state.invoice_payment_of.get(intent["id"], ""))
    invoice = state.find("invoice", payment["invoice"]) if payment else None
    return found or (None if invoice is None else operation_of_invoice(invoice))


def operation_of_invoice(invoice: dict[str, Any]) -> str | None:
    """Return the operation of an invoice: its own, or its subscription's."""
    details = (invoice["parent"] or {}).get("subscription_details") or {"metadata": {}}
    found: str | None = invoice["metadata"].get("operation_id")
    return found or details["metadata"].get("operation_id")


def payable(world: World) -> Iterator[tuple[str, str | None]]:
    """Yield what could still take money from a customer, and the operation it belongs to."""
    state = world.state()
    for kind, statuses in _PAYABLE.items():
        for body in state.all(kind):
            if body["status"] in statuses:
                yield f"{body['id']} ({body['status']})", _owner(state, kind, body)
    for item in state.all("invoiceitem"):
        if item["invoice"] is None:
            yield f"{item['id']} (pending)", item["metadata"].get("operation_id")


def kept_payable(world: World) -> set[str | None]:
    """Return the operations whose payment a bank has refused, and that Stripe keeps payable: that
    of a Checkout session which is complete can be neither cancelled nor expired."""
    state = world.state()
    paying = [
        state.find("payment_intent", session["payment_intent"] or "")
        for session in state.all("checkout.session")
        if session["status"] == "complete"
    ]
    return {
        operation_of_payment(state, intent)
        for intent in paying
        if intent and intent["status"] == "requires_payment_method"
    }


def _owner(state: Any, kind: str, body: dict[str, Any]) -> str | None:
    if kind == "payment_intent":
        return operation_of_payment(state, body)
    if kind == "invoice":
        return operation_of_invoice(body)
    found: str | None = body["metadata"].get("operation_id")
    return found


def waiting_payment(world: World, operation_id: str) -> Iterator[tuple[str, str]]:
    """Yield kind and id of what a customer can act on, or a bank can settle."""
    state = world.state()
    for intent in state.all("payment_intent"):
        if operation_of_payment(state, intent) == operation_id:
            yield intent["status"], intent["id"]
    for session in state.all("checkout.session"):
        if session["metadata"].get("operation_id") == operation_id:
            yield session["status"], session["id"]


def overpaid_back(world: World) -> Iterator[str]:
    """Yield the charges of which more was given back than was collected."""
    for charge in world.state().all("charge"):
        if charge["amount_captured"] and charge["amount_refunded"] > charge["amount_captured"]:
            yield charge["id"]
