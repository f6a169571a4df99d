"""A payment by price: an invoice of its own, finalized and paid in four requests.

The draft takes no other pending items and no discounts and never advances by itself. If paying
fails for good, nothing is left that could collect it later: a draft goes with its item, an open
invoice is voided, and what refuses both is read and recorded as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..errors import InvalidRequestError
from ..models import Failure, Operation, OperationState, Outcome, ResolvedRoute, Step, StepOutput
from .base import Call, Lookups, Plan, Price, Search, failure_of, output_of, refused
from .methods import chosen_method
from .payment_intents import destination

PARAMETERS = "InvoiceCreateParams"
DECIDED = frozenset(
    """
    account_tax_ids auto_advance automatically_finalizes_at collection_method currency customer
    customer_account days_until_due default_payment_method default_source description discounts
    due_date effective_at from_invoice metadata pending_invoice_items_behavior subscription
    """.split()
)
CREATE = "invoice"
_ITEM = "item"
_FINALIZE = "finalize"
_PAY = "pay"
_LOOK = "look"
_FOUND = "found"
_PATH = "/v1/invoices"
_ACTION_NEEDED = frozenset({"authentication_required", "invoice_payment_intent_requires_action"})

_DELETE_ITEM = Step("delete_item", "delete", "/v1/invoiceitems/{item}", {}, "invoiceitem")
_DELETE_DRAFT = Step("delete_draft", "delete", _PATH + "/{invoice}", {}, "invoice")
_VOID = Step("void", "post", _PATH + "/{invoice}/void", {}, "invoice", repeatable=True)
_TIDY_UP = {
    _ITEM: (_DELETE_DRAFT,),
    _FINALIZE: (_DELETE_ITEM, _DELETE_DRAFT),
    _PAY: (_VOID,),
}
"""What takes an invoice down, by the step that failed."""


def plan(call: Call, route: ResolvedRoute, lookups: Lookups) -> Plan:
    asked = call.arguments
    customer = asked["customer_id"] or route.route.customer_id
    price = lookups.price(asked["price_id"] or route.route.price_id)
    if price.recurring:
        raise InvalidRequestError(
            f"{price.id} is a recurring price; use create_subscription(), or a one-time price.",
            parameter="price_id",
        )
    currency = _currency(price, route)
    quantity = asked["quantity"] or 1
    steps = _steps(
        call, customer, price, currency, quantity, chosen_method(asked, customer, route.route)
    )
    return Plan(steps, price.total(currency, quantity), currency, customer)


def _currency(price: Price, route: ResolvedRoute) -> str:
    """The route's own currency has to be one the price has; a mere default gives way."""
    wanted = route.route.currency
    if wanted is None or wanted == price.currency or wanted in price.amounts:
        return wanted or price.currency
    raise InvalidRequestError(
        f"{price.id} is in {price.currency}, the route in {wanted}; correct the route's currency "
        "or price_id.",
        parameter="price_id",
    )


def _steps(
    call: Call, customer: str, price: Price, currency: str, quantity: int, method: str | None
) -> tuple[Step, ...]:
    metadata = dict(call.metadata)
    described = call.arguments["description"]
    draft: dict[str, Any] = {
        **call.params,
        "customer": customer,
        "currency": currency,
        "collection_method": "charge_automatically",
        "auto_advance": False,
        "pending_invoice_items_behavior": "exclude",
        "discounts": "",
        "metadata": metadata,
        **({} if described is None else {"description": described}),
    }
    item = {
        "customer": customer,
        "invoice": {"$from": CREATE},
        "pricing": {"price": price.id},
        "quantity": quantity,
        "discountable": False,
        "metadata": metadata,
    }
    pay = {"off_session": True, **({} if method is None else {"payment_method": method})}
    return (
        Step(CREATE, "post", _PATH, draft, "invoice"),
        Step(_ITEM, "post", "/v1/invoiceitems", item, "invoiceitem"),
        Step(_FINALIZE, "post", _PATH + "/{invoice}/finalize", {"auto_advance": False}, "invoice"),
        Step(_PAY, "post", _PATH + "/{invoice}/pay", pay, "invoice"),
    )


def proceed(operation: Operation) -> Step | Outcome:
    last: Mapping[str, Any] = {}
    for step in operation.steps:
        output = output_of(operation, step.name)
        if output is None:
            return step
        if not output.ok:
            return _after_failure(operation, step.name, output)
        last = output.body
        if step.name == _FINALIZE and last.get("status") == "paid":
            break  # Stripe carries what is under its minimum to the next invoice
    return outcome(last)


def outcome(invoice: Mapping[str, Any], failure: Failure | None = None) -> Outcome:
    """Return what an invoice has come to. An open one without a failure is being paid."""
    collected = int(invoice.get("amount_paid") or 0)
    status = "deleted" if invoice.get("deleted") else str(invoice.get("status"))
    state = _state(status, failure)
    return Outcome(
        state=state,
        stripe_id=str(invoice["id"]),
        status=status,
        amount_minor=collected if state is OperationState.SUCCEEDED else 0,
        currency=invoice.get("currency"),
        paid=status == "paid" and collected > 0,
        body=invoice,
        failure=None if state is OperationState.SUCCEEDED else failure,
        destination_account=destination(invoice),
    )


def _state(status: str, failure: Failure | None) -> OperationState:
    if status == "paid":
        return OperationState.SUCCEEDED
    if status in ("void", "deleted", "uncollectible"):
        return OperationState.FAILED if failure else OperationState.CANCELED
    return OperationState.REQUIRES_ACTION if failure else OperationState.PROCESSING


def _after_failure(operation: Operation, failed: str, output: StepOutput) -> Step | Outcome:
    if failed == CREATE:
        return refused(output)
    if failed == _PAY and output.error.get("code") in _ACTION_NEEDED:
        return _waits(operation, output)
    gone = None
    for step in _TIDY_UP[failed]:
        gone = output_of(operation, step.name)
        if gone is None:
            return step
    return _taken_down(operation, output, gone)


def _taken_down(
    operation: Operation, output: StepOutput, gone: StepOutput | None
) -> Step | Outcome:
    card = output.error.get("type") == "card_error"
    failure = failure_of(output, "declined" if card else "refused")
    if gone is not None and (gone.ok or gone.status == 404):
        body = gone.body if gone.ok else {**_draft(operation), "deleted": True}
        return outcome({**_draft(operation), **body}, failure)
    looked = output_of(operation, _LOOK)
    if looked is None:
        return look("{invoice}")
    return outcome(looked.body if looked.ok else {**_draft(operation), "deleted": True}, failure)


def _waits(operation: Operation, output: StepOutput) -> Outcome:
    """The customer has to authenticate; the open invoice is voided if it is not paid in time."""
    payment = output.error.get("payment_intent")
    secret = payment.get("client_secret") if isinstance(payment, Mapping) else None
    body = {**_draft(operation), "status": "open", "client_secret": secret}
    return outcome(body, failure_of(output, "action_required"))


def _draft(operation: Operation) -> Mapping[str, Any]:
    created = output_of(operation, CREATE)
    return {} if created is None else created.body


def revisit(operation: Operation) -> Outcome:
    """Return what an open invoice has come to, its customer having been asked to act."""
    asked = operation.outcome.failure if operation.outcome is not None else None
    return outcome(operation.outputs[0].body, asked)


def cancel(invoice_id: str) -> Step:
    return Step("void", "post", f"{_PATH}/{invoice_id}/void", {}, "invoice", repeatable=True)


def look(invoice_id: str) -> Step:
    return Step(_LOOK, "get", f"{_PATH}/{invoice_id}", {}, "invoice")


def search(operation: Operation) -> Search:
    return Search(CREATE, _PATH, {"customer": operation.customer_id})


def wind_up(operation: Operation) -> Step | Outcome:
    """Take a half-made invoice down, or record that it was paid."""
    created = output_of(operation, CREATE)
    if created is None or not created.ok:
        return proceed(operation)
    found = output_of(operation, _FOUND)
    if found is None:
        return Step(_FOUND, "get", f"{_PATH}/{created.body['id']}", {}, "invoice")
    status = found.body.get("status") if found.ok else "deleted"
    if status == "draft":
        return _next_of(operation, _draft_removal(found.body), found)
    if status == "open":
        return _next_of(operation, [cancel(str(created.body["id"]))], found)
    return outcome({**created.body, **(found.body if found.ok else {"deleted": True})})


def _draft_removal(invoice: Mapping[str, Any]) -> list[Step]:
    """A draft's items would outlive it and be collected by the next invoice."""
    lines = invoice.get("lines")
    listed = lines.get("data", []) if isinstance(lines, Mapping) else []
    items = [_item_of(line) for line in listed if _item_of(line)]
    steps = [
        Step(f"delete_item_{number}", "delete", f"/v1/invoiceitems/{item}", {}, "invoiceitem")
        for number, item in enumerate(items)
    ]
    return [*steps, Step("delete_draft", "delete", f"{_PATH}/{invoice['id']}", {}, "invoice")]


def _item_of(line: Mapping[str, Any]) -> str | None:
    parent = line.get("parent")
    details = parent.get("invoice_item_details") if isinstance(parent, Mapping) else None
    item = details.get("invoice_item") if isinstance(details, Mapping) else None
    return str(item) if item else None


def _next_of(operation: Operation, steps: list[Step], found: StepOutput) -> Step | Outcome:
    for step in steps:
        done = output_of(operation, step.name)
        if done is None:
            return step
    if done is not None and not done.ok and done.status != 404:
        again = output_of(operation, "found_again")
        if again is None:
            return replace(look(str(found.body["id"])), name="found_again")
        return outcome(again.body if again.ok else {**found.body, "deleted": True})
    return outcome({**found.body, **(done.body if done and done.ok else {"deleted": True})})
