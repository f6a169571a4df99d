"""A payment by price: an invoice of its own, finalized and paid in four requests.

The draft takes no other pending items and no discounts and never advances by itself. If paying
fails for good, nothing is left that could collect it later: a draft goes with its item, an open
invoice is voided, and what refuses both is read and recorded as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ....errors import InvalidRequestError
from ....models import (
    Call,
    Failure,
    Operation,
    OperationState,
    Outcome,
    Plan,
    ResolvedRoute,
    Step,
    StepOutput,
    UnreadableAnswer,
)
from .base import (
    Lookups,
    Price,
    Search,
    billed_currency,
    chosen_method,
    currency_of,
    failure_of,
    id_of,
    minor_of,
    output_of,
    refused,
    status_of,
)
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
FINALIZE = "finalize"
PAY = "pay"
_LOOK = "look"
_FOUND = "found"
_AT_THE_BANK = "at_the_bank"
_PENDING = "pending_items"
_KIND = "invoiceitem"
_PATH = "/v1/invoices"
_ITEMS = "/v1/invoiceitems"
REQUESTS = (
    f"post {_PATH}",
    f"get {_PATH}/{{id}}",
    f"delete {_PATH}/{{id}}",
    f"post {_PATH}/{{id}}/finalize",
    f"post {_PATH}/{{id}}/pay",
    f"post {_PATH}/{{id}}/void",
    f"post {_ITEMS}",
    f"get {_ITEMS}",
    f"delete {_ITEMS}/{{id}}",
)
_ACTION_NEEDED = frozenset({"authentication_required", "invoice_payment_intent_requires_action"})
AMOUNT_GROWS = frozenset({"automatic_tax", "default_tax_rates", "shipping_cost"})
"""Parameters with which more is collected than the price."""

_EXPAND = ["confirmation_secret", "payments.data.payment.payment_intent"]
PAYABLE = ("open", "uncollectible")
_DELETE_ITEM = Step("delete_item", "delete", "/v1/invoiceitems/{item}", {}, "invoiceitem")
_DELETE_DRAFT = Step("delete_draft", "delete", _PATH + "/{invoice}", {}, "invoice")
_VOID = Step("void", "post", _PATH + "/{invoice}/void", {}, "invoice", repeatable=True)
_TIDY_UP = {
    _ITEM: (_DELETE_DRAFT,),
    FINALIZE: (_DELETE_ITEM, _DELETE_DRAFT),
    PAY: (_VOID,),
}
"""What takes an invoice down, by the step that failed."""

_SETTLES = ("amount_paid_off_stripe", "paid_out_of_band", "pre_payment_credit_notes_amount")
"""Where an invoice shows that what was due was settled without a payment of Stripe's."""

_CANCELED = Failure("canceled", "the invoice was voided before it was paid")
_VOIDED = Failure("declined", "the first payment failed after the subscription had begun")


def plan(call: Call, route: ResolvedRoute, lookups: Lookups) -> Plan:
    asked = call.arguments
    customer = asked["customer_id"] or route.route.customer_id
    price = lookups.price(asked["price_id"] or route.route.price_id)
    if price.recurring:
        raise InvalidRequestError(
            f"{price.id} is a recurring price; use create_subscription(), or a one-time price.",
            parameter="price_id",
        )
    currency = billed_currency(price, route)
    quantity = asked["quantity"] or 1
    steps = _steps(
        call, customer, price, currency, quantity, chosen_method(asked, customer, route.route)
    )
    known = not AMOUNT_GROWS & set(call.params)
    total = price.total(currency, quantity) if known else None
    return Plan(steps, total, currency, customer)


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
        Step(FINALIZE, "post", _PATH + "/{invoice}/finalize", {"auto_advance": False}, "invoice"),
        Step(PAY, "post", _PATH + "/{invoice}/pay", pay, "invoice"),
    )


def proceed(operation: Operation) -> Step | Outcome:
    if output_of(operation, _FOUND) is not None:
        return wind_up(operation)  # what recovery has begun to take down is not collected any more
    last: Mapping[str, Any] = {}
    for step in operation.steps:
        output = output_of(operation, step.name)
        if output is None:
            return step
        if not output.ok:
            return _after_failure(operation, step.name, output)
        last = output.body
        id_of(last)  # an item that names no invoice would be collected with any other
        if step.expects == "invoice":
            _state(status_of(last), None)  # one in a state that is not known is not gone on with
        if step.name == FINALIZE and status_of(last) == "paid":
            break  # Stripe carries what is under its minimum to the next invoice
    return _outcome_of(operation, last)


def _outcome_of(
    operation: Operation, invoice: Mapping[str, Any], failure: Failure | None = None
) -> Outcome:
    """As `outcome`; but an invoice that was emptied before it was finalized is paid by nobody."""
    found = outcome(invoice, failure)
    emptied = found.state is OperationState.SUCCEEDED and invoice.get("total") == 0
    if not emptied or not operation.amount_minor:
        return found
    return replace(found, state=OperationState.CANCELED, failure=_CANCELED)


def outcome(invoice: Mapping[str, Any], failure: Failure | None = None) -> Outcome:
    """Return what an invoice has come to. An open one without a failure is being paid."""
    status = "deleted" if invoice.get("deleted") else status_of(invoice)
    state = _state(status, failure)
    paid = state is OperationState.SUCCEEDED
    amount_minor = collected(invoice) if paid else 0
    if state is OperationState.CANCELED:
        failure = _CANCELED
    return Outcome(
        state=state,
        stripe_id=id_of(invoice),
        status=status,
        amount_minor=amount_minor,
        currency=currency_of(invoice),
        paid=amount_minor > 0,
        body=invoice,
        failure=None if paid else failure,
        destination_account=destination(invoice),
    )


def collected(invoice: Mapping[str, Any]) -> int:
    """Return what a paid invoice collected. UnreadableAnswer for more than was due, or for nothing
    of what was due; what was paid elsewhere, or credited, was not collected."""
    amount = minor_of(invoice, "amount_paid")
    if "amount_due" not in invoice:
        return amount
    due = minor_of(invoice, "amount_due")
    most = due + minor_of({"amount_overpaid": 0, **invoice}, "amount_overpaid")
    settled = not due or any(invoice.get(name) for name in _SETTLES)
    if amount > most or not (amount or settled):
        raise UnreadableAnswer(f"a paid invoice has collected {amount} of {due}")
    return amount


def _state(status: str, failure: Failure | None) -> OperationState:
    """A draft collects nothing by itself, and nobody can pay it."""
    if status == "paid":
        return OperationState.SUCCEEDED
    asked = failure is not None and failure.kind == "action_required"
    if status in ("void", "deleted", "draft"):
        return OperationState.CANCELED if failure is None or asked else OperationState.FAILED
    if status in PAYABLE:
        return OperationState.REQUIRES_ACTION if asked else OperationState.PROCESSING
    raise UnreadableAnswer(f"an invoice has a status that is not known: {status}")


def _after_failure(operation: Operation, failed: str, output: StepOutput) -> Step | Outcome:
    failure = failure_of(output, "declined" if _is_card_error(output) else "refused")
    if failed == CREATE or failure.kind == "conflict":
        return refused(output)  # with a conflict, what is there belongs to another operation
    if failed == PAY and failure.code in _ACTION_NEEDED:
        return _waits(operation, output)
    return _taken_down(operation, _shown(operation), _TIDY_UP[failed], failure)


def _is_card_error(output: StepOutput) -> bool:
    return output.error.get("type") == "card_error"


def _taken_down(
    operation: Operation,
    invoice: Mapping[str, Any],
    steps: Iterable[Step],
    failure: Failure | None,
) -> Step | Outcome:
    """Send the steps that take an invoice down, one after the other; what refuses is read."""
    for step in steps:
        done = output_of(operation, step.name)
        if done is None:
            return step
        if not (done.ok or done.status == 404):
            return _read_and_recorded(operation, invoice, failure)
        if step.expects == "invoice":
            invoice = {**invoice, **(done.body if done.ok else {"deleted": True})}
    return _outcome_of(operation, invoice, failure)


def _read_and_recorded(
    operation: Operation, invoice: Mapping[str, Any], failure: Failure | None
) -> Step | Outcome:
    """Return what an invoice is that did not let itself be taken down; an open one is voided."""
    looked = output_of(operation, _LOOK)
    if looked is None:
        return look(id_of(invoice))
    invoice = {**invoice, **_read(looked)}
    if invoice.get("deleted") or invoice.get("status") not in PAYABLE:
        return _outcome_of(operation, invoice, failure)
    voided = output_of(operation, _VOID.name)
    if voided is None:
        return cancel(id_of(invoice))
    if voided.ok:
        return outcome({**invoice, **voided.body}, failure)
    return outcome(invoice)  # it refuses to be voided while a bank is at it


def _read(looked: StepOutput) -> Mapping[str, Any]:
    if looked.ok:
        outcome(looked.body)  # unreadable is told now, before anything is built on it
        return looked.body
    if looked.status == 404:
        return {"deleted": True}
    raise UnreadableAnswer(f"an invoice cannot be read (HTTP {looked.status})")


def _waits(operation: Operation, output: StepOutput) -> Step | Outcome:
    """The customer has to authenticate; the open invoice is voided if it is not paid in time."""
    failure = failure_of(output, "action_required")
    payment = output.error.get("payment_intent")
    secret = payment.get("client_secret") if isinstance(payment, Mapping) else None
    if secret is not None:
        return outcome({**_shown(operation), "client_secret": secret}, failure)
    looked = output_of(operation, _LOOK)
    if looked is None:
        return look(id_of(_shown(operation)))
    return outcome(_with_secret({**_shown(operation), **_read(looked)}), failure)


def _with_secret(invoice: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an invoice with the secret by which a front end finishes its payment."""
    confirmation = invoice.get("confirmation_secret")
    found = confirmation.get("client_secret") if isinstance(confirmation, Mapping) else None
    return {**invoice, "client_secret": found}


def _shown(operation: Operation) -> Mapping[str, Any]:
    """Return the invoice as Stripe showed it last, before anything went wrong."""
    shown: Mapping[str, Any] = {}
    for name in (CREATE, FINALIZE):
        output = output_of(operation, name)
        if output is not None and output.ok:
            shown = output.body
    return shown


def revisit(operation: Operation) -> Step | Outcome:
    """Return what an invoice has come to that waited for its customer, or for a bank.

    While a customer is at it, a failed attempt is not the end; a bank's refusal is.
    """
    invoice = operation.outputs[0].body
    if operation.state is OperationState.REQUIRES_ACTION:
        asked = operation.outcome.failure if operation.outcome is not None else None
        return outcome(_with_secret(invoice), asked)
    judged = _after_the_bank(operation, invoice)
    return judged if isinstance(judged, Step) else outcome(*judged)


Refused = tuple[Mapping[str, Any], Failure | None]
"""An invoice and, if a bank has refused it and nobody can pay it any more, why."""


def of_subscription(operation: Operation, invoice_id: str, ended: Failure | None) -> Step | Refused:
    """Return what has become of a subscription's first invoice, which a bank was asked to pay. If
    the subscription has `ended`, it is voided for that, unless a bank is at it."""
    looked = output_of(operation, _AT_THE_BANK)
    if looked is None:
        return replace(look(invoice_id), name=_AT_THE_BANK)
    invoice = _read(looked)
    judged = _after_the_bank(operation, invoice, None if _is_being_paid(invoice) else ended)
    if isinstance(judged, Step):
        return judged
    invoice, refusal = judged
    gone = invoice.get("deleted") or invoice.get("status") == "void"
    return invoice, (refusal or _VOIDED if gone else None)


def _after_the_bank(
    operation: Operation, invoice: Mapping[str, Any], ended: Failure | None = None
) -> Step | Refused:
    refusal = ended or _refusal_of_bank(invoice)
    if refusal is None or invoice.get("status") not in PAYABLE:
        return invoice, None
    voided = output_of(operation, _VOID.name)
    if voided is None:
        return cancel(id_of(invoice))
    return ({**invoice, **voided.body}, refusal) if voided.ok else (invoice, None)


def _is_being_paid(invoice: Mapping[str, Any]) -> bool:
    """Say whether Stripe shows that a bank is at it. Where it shows nothing, the invoice may be
    voided, which Stripe refuses while it is being paid."""
    intents = [_at(one, "payment", "payment_intent") for one in _listed(invoice.get("payments"))]
    return any(intent.get("status") == "processing" for intent in intents)


def _refusal_of_bank(invoice: Mapping[str, Any]) -> Failure | None:
    for payment in _listed(invoice.get("payments")):
        intent = _at(payment, "payment", "payment_intent")
        error = _at(intent, "last_payment_error")
        if error and intent.get("status") == "requires_payment_method":
            return failure_of(StepOutput(PAY, 402, {"error": error}), "declined")
    return None


def _listed(value: Any) -> list[Any]:
    found = value.get("data") if isinstance(value, Mapping) else None
    return found if isinstance(found, list) else []


def _at(value: Any, *names: str) -> Mapping[str, Any]:
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def cancel(invoice_id: str) -> Step:
    return Step(_VOID.name, "post", f"{_PATH}/{invoice_id}/void", {}, "invoice", repeatable=True)


def look(invoice_id: str) -> Step:
    return Step(_LOOK, "get", f"{_PATH}/{invoice_id}", {"expand": _EXPAND}, "invoice")


def search(operation: Operation) -> Search:
    return Search(CREATE, _PATH, {"customer": operation.customer_id})


def wind_up(operation: Operation) -> Step | Outcome:
    """Take a half-made invoice down, or record that it was paid."""
    created = output_of(operation, CREATE)
    if created is None or not created.ok:
        return proceed(operation)
    found = output_of(operation, _FOUND)
    if found is None:
        return Step(_FOUND, "get", f"{_PATH}/{id_of(created.body)}", {}, "invoice")
    invoice = {**created.body, **_read(found)}
    taken_down = _taken_down(operation, invoice, _removal(invoice), None)
    if isinstance(taken_down, Step) or taken_down.status != "deleted":
        return taken_down
    return _stray_item(operation) or taken_down


def _stray_item(operation: Operation) -> Step | None:
    """Return the request that finds, or deletes, an item that a late sender put onto the draft
    after it was read: left behind by the draft, it would be on the customer's next invoice."""
    listed = output_of(operation, _PENDING)
    if listed is None:
        query = {"customer": operation.customer_id, "pending": True, "limit": 100}
        return Step(_PENDING, "get", "/v1/invoiceitems", query, "list")
    for item in _listed(listed.body):
        step = Step(f"delete_{item['id']}", "delete", f"/v1/invoiceitems/{item['id']}", {}, _KIND)
        ours = _at(item, "metadata").get("operation_id") == operation.operation_id
        if ours and output_of(operation, step.name) is None:
            return step
    return None


def _removal(invoice: Mapping[str, Any]) -> list[Step]:
    """Return what takes an invoice down; a draft's items would outlive it and be collected."""
    if invoice.get("deleted"):
        return []
    if invoice.get("status") in PAYABLE:
        return [cancel(id_of(invoice))]
    if invoice.get("status") != "draft":
        return []
    items = [_at(line, "parent", "invoice_item_details") for line in _listed(invoice.get("lines"))]
    named = [item["invoice_item"] for item in items if item.get("invoice_item")]
    deletions = [_delete_item(number, item_id) for number, item_id in enumerate(named)]
    draft = f"{_PATH}/{id_of(invoice)}"
    return [*deletions, Step(_DELETE_DRAFT.name, "delete", draft, {}, "invoice")]


def _delete_item(number: int, item_id: str) -> Step:
    path = f"/v1/invoiceitems/{item_id}"
    return Step(f"delete_item_{number}", "delete", path, {}, "invoiceitem")
