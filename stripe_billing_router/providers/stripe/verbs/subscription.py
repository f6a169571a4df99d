"""create_subscription: a customer pays a recurring price from now on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple

from ....errors import InvalidRequestError
from ....models import (
    LEFT_OUT,
    Call,
    Failure,
    Operation,
    OperationState,
    Outcome,
    Plan,
    ResolvedRoute,
    Result,
    Step,
    StepOutput,
    Subscription,
    UnreadableAnswer,
)
from ....stripe_parameters import declared
from ... import arguments as check
from . import invoices
from .base import (
    Lookups,
    Search,
    StripeVerb,
    billed_currency,
    chosen_method,
    currency_of,
    failure_of,
    id_of,
    known,
    minor_of,
    output_of,
    refused,
    status_of,
    waiting_id,
)
from .payment_intents import destination

_PARAMETERS = "SubscriptionCreateParams"
_DECIDED = frozenset(
    """
    collection_method currency customer customer_account days_until_due default_payment_method
    default_source items metadata off_session
    """.split()
)
_AMOUNT_KNOWN = frozenset(
    """
    cancel_at cancel_at_period_end description invoice_settings payment_behavior payment_settings
    """.split()
)
"""Parameters beside which the first invoice is the price, no more and no less."""

_PAYS_NOTHING = frozenset({"description", "invoice_settings", "payment_settings"})
"""Parameters that say nothing of how much is paid, when, or for how long."""

_CREATE = "subscription"
_VOID = "void"
_END = "end"
_LOOK = "look"
_FIRST = "first_invoice"
_PATH = "/v1/subscriptions"
REQUESTS = (
    f"post {_PATH}",
    f"get {_PATH}/{{id}}",
    f"delete {_PATH}/{{id}}",
    "get /v1/invoices",
    "get /v1/invoices/{id}",
    "post /v1/invoices/{id}/void",
    "post /v1/invoices/{id}/pay",
)
_PAY = "/v1/invoices/{first_invoice}/pay"
_COLLECT = {"error_if_incomplete": "collect", "allow_incomplete": "try_to_collect"}
"""The step that pays a first invoice, by what is wanted if that fails."""

COLLECTING = frozenset(_COLLECT.values())
_EXPAND = ["latest_invoice.confirmation_secret"]
_OVER = frozenset({"canceled", "incomplete_expired"})
_CANCELED = Failure("canceled", "the subscription ended before its first payment")
_RUNS = frozenset({"active", "past_due", "paused", "trialing", "unpaid"})
_OWES = frozenset({"active", "past_due", "unpaid"})
_PAID = {"paid": True} | dict.fromkeys(("draft", "open", "void", "uncollectible", "none"), False)
_MADE_WITH_IT = "subscription_create"
_MADE_WITHIN = 3600
"""Seconds. Whatever was made later is no first invoice."""


class _Arguments(NamedTuple):
    price_id: str = LEFT_OUT
    customer_id: str = LEFT_OUT
    quantity: int = LEFT_OUT


class SubscriptionVerb(StripeVerb):
    """One request. Unless the caller decides otherwise, a first payment that fails refuses all."""

    name: ClassVar[str] = "create_subscription"
    action_type: ClassVar[str] = "subscription"
    moves = "in"
    arguments = _Arguments
    makes = ("subscription",)
    requests: ClassVar[tuple[str, ...]] = REQUESTS

    def check(
        self, arguments: Mapping[str, Any], params: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        given = {name: check.given(arguments, name) for name in _Arguments._fields}
        clean = {
            "price_id": check.stripe_id(given["price_id"], "price_id", ("price_", "plan_")),
            "customer_id": check.stripe_id(given["customer_id"], "customer_id", ("cus_",)),
            "quantity": check.quantity(given["quantity"]),
        }
        pays = set(declared(_PARAMETERS)) - _PAYS_NOTHING
        return clean, check.params(params, _PARAMETERS, _Arguments._fields, _DECIDED, pays)

    def plan(self, call: Call, route: ResolvedRoute, lookups: Lookups) -> Plan:
        asked = call.arguments
        customer = asked["customer_id"] or route.route.customer_id
        price = lookups.price(asked["price_id"] or route.route.price_id)
        if not price.recurring:
            raise InvalidRequestError(
                f"{price.id} is a one-time price; use charge(), or a recurring price.",
                parameter="price_id",
            )
        quantity, currency = asked["quantity"] or 1, billed_currency(price, route)
        method = chosen_method(asked, customer, route.route)
        params = {
            "payment_behavior": "error_if_incomplete",
            **call.params,
            "customer": customer,
            "currency": currency,
            "items": [{"price": price.id, "quantity": quantity}],
            "off_session": True,
            "expand": _EXPAND,
            "metadata": dict(call.metadata),
            **({} if method is None else {"default_payment_method": method}),
        }
        step = Step(_CREATE, "post", _PATH, params, "subscription")
        known = set(call.params) <= _AMOUNT_KNOWN
        total = price.total(currency, quantity) if known else None
        return Plan((step,), total, currency, customer)

    def proceed(self, operation: Operation) -> Step | Outcome:
        created = output_of(operation, _CREATE)
        if created is None:
            return operation.steps[0]
        if not created.ok:
            return refused(created)
        if len(operation.steps) > 1 and created.body.get("status") == "incomplete":
            return _collected(operation, created.body)
        return _come_to(operation, created.body)

    def search(self, operation: Operation) -> Search:
        expand = [f"data.{name}" for name in _EXPAND]
        query = {"customer": operation.customer_id, "status": "all", "expand": expand}
        return Search(_CREATE, _PATH, query)

    def wind_up(self, operation: Operation) -> Step | Outcome:
        """One that was never paid is ended: it would stay payable for hours."""
        created = output_of(operation, _CREATE)
        if created is None or not created.ok or created.body.get("status") != "incomplete":
            return self.proceed(operation)
        return _taken_down(operation, created.body)

    def refresh(self, operation: Operation) -> Step:
        return look(waiting_id(operation))

    def revisit(self, operation: Operation) -> Step | Outcome:
        """The first output is the subscription or, if `cancel` has just voided it, its invoice."""
        seen = operation.outputs[0]
        if seen.body.get("object") == "invoice":
            return _ended(operation, waiting_id(operation))
        return _stands(operation, seen)

    def cancel(self, operation: Operation) -> Step | None:
        return None if operation.outcome is None else _ending(operation.outcome.body)

    def result_type(self) -> type[Result]:
        return Subscription


def in_two(step: Step) -> tuple[Step, ...]:
    """Return the steps that make a subscription and then, once it is seen what is due, pay it."""
    behavior = step.params["payment_behavior"]
    if behavior not in _COLLECT:
        return (step,)
    made = replace(step, params={**step.params, "payment_behavior": "default_incomplete"})
    paid = Step(_COLLECT[behavior], "post", _PAY, {"off_session": True}, "invoice")
    return made, paid


def due(subscription: Mapping[str, Any]) -> int | None:
    """Return minor units that the first invoice of a subscription asks for, if it is open."""
    invoice = _invoice_of(subscription)
    return minor_of(invoice, "amount_due") if invoice.get("status") == "open" else None


def _collected(operation: Operation, subscription: Mapping[str, Any]) -> Step | Outcome:
    """Pay the first invoice. If that fails, nothing is left behind, unless the caller wants one
    that waits for its customer."""
    pay, invoice = operation.steps[1], _invoice_of(subscription)
    answer = output_of(operation, pay.name)
    if answer is None:
        return replace(pay, path=_PAY.replace("{first_invoice}", id_of(invoice)))
    if answer.ok or pay.name == _COLLECT["allow_incomplete"]:
        looked = output_of(operation, _LOOK)
        return look(id_of(subscription)) if looked is None else _come_to(operation, looked.body)
    ended = _taken_down(operation, subscription)
    if isinstance(ended, Step) or ended.state is not OperationState.CANCELED:
        return ended
    kind = "declined" if answer.error.get("type") == "card_error" else "refused"
    return replace(ended, state=OperationState.FAILED, failure=failure_of(answer, kind))


def _taken_down(operation: Operation, subscription: Mapping[str, Any]) -> Step | Outcome:
    end = _ending(subscription)
    done = None if end is None else output_of(operation, end.name)
    if end is not None and done is None:
        return end
    if done is not None and done.ok:
        return _ended(operation, id_of(subscription))
    looked = output_of(operation, _LOOK)
    return look(id_of(subscription)) if looked is None else _stands(operation, looked)


def _ending(subscription: Mapping[str, Any]) -> Step | None:
    """Return how to end one that waits: first, nobody may pay its invoice any more."""
    invoice = _invoice_of(subscription)
    if invoice.get("status") in invoices.PAYABLE:
        path = f"/v1/invoices/{id_of(invoice)}/void"
        return Step(_VOID, "post", path, {}, "invoice", repeatable=True)
    return _end(id_of(subscription)) if invoice.get("status") in ("void", None) else None


def _ended(operation: Operation, subscription_id: str) -> Step | Outcome:
    """Cancel a subscription whose invoice is void; one that is over already is read."""
    ended, looked = output_of(operation, _END), output_of(operation, _LOOK)
    if ended is None:
        return _end(subscription_id)
    if ended.ok:
        return _come_to(operation, ended.body)
    return look(subscription_id) if looked is None else _come_to(operation, looked.body)


def _stands(operation: Operation, looked: StepOutput) -> Step | Outcome:
    """Return what a subscription has come to; one whose ending broke off is ended."""
    body = looked.body
    if body.get("status") == "incomplete" and _invoice_of(body).get("status") == "void":
        return _ended(operation, id_of(body))
    if operation.state is OperationState.PROCESSING:
        return first_payment(operation, body)
    return _come_to(operation, body)


def first_payment(operation: Operation, subscription: Mapping[str, Any]) -> Step | Outcome:
    """Return what a subscription has come to whose first invoice a bank was asked to pay.

    If the bank refuses, it is ended before it is called failed: the invoice is voided first, which
    Stripe refuses while it tries once more by itself. One that has been renewed since runs on.
    """
    invoice = _first_invoice(operation, subscription)
    if isinstance(invoice, Step):
        return invoice
    if invoice.get("status") in (None, "paid"):
        return _outcome(subscription, invoice)
    over = subscription.get("status") in _OVER
    judged = invoices.of_subscription(operation, id_of(invoice), _CANCELED if over else None)
    if isinstance(judged, Step):
        return judged
    first, failure = judged
    if failure is None:
        found = _outcome(subscription, first)
        if found.paid:
            return found
        return replace(found, state=OperationState.PROCESSING, failure=None)
    if _invoice_of(subscription).get("id") != id_of(first):
        return _outcome(subscription, first)
    return _unpaid(operation, subscription, failure)


def _unpaid(
    operation: Operation, subscription: Mapping[str, Any], failure: Failure
) -> Step | Outcome:
    """End a subscription whose first invoice nobody can pay any more; only then it has failed."""
    ended, looked = output_of(operation, _END), output_of(operation, _LOOK)
    if ended is not None and ended.ok:
        subscription = ended.body
    elif looked is not None:
        subscription = looked.body
    over = subscription.get("status") in _OVER
    if not over and ended is None:
        return _end(id_of(subscription))
    if not over and looked is None:
        return look(id_of(subscription))
    found = _outcome(subscription, {})
    if not over:
        return replace(found, state=OperationState.PROCESSING)
    state = OperationState.CANCELED if failure is _CANCELED else OperationState.FAILED
    return replace(found, state=state, failure=failure)


def _end(subscription_id: str) -> Step:
    return Step(_END, "delete", f"{_PATH}/{subscription_id}", {"expand": _EXPAND}, "subscription")


def look(subscription_id: str) -> Step:
    return Step(_LOOK, "get", f"{_PATH}/{subscription_id}", {"expand": _EXPAND}, "subscription")


def _invoice_of(subscription: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the first invoice; nothing if there is none."""
    invoice = subscription.get("latest_invoice")
    if isinstance(invoice, str):
        raise UnreadableAnswer("the invoice of a subscription was not shown")
    return invoice if isinstance(invoice, Mapping) else {}


def _come_to(operation: Operation, subscription: Mapping[str, Any]) -> Step | Outcome:
    """Return what a subscription has come to, which its first invoice says. The end of one does not
    stop a bank that is paying that invoice, nor anybody else from paying it."""
    invoice = _first_invoice(operation, subscription)
    if isinstance(invoice, Step):
        return invoice
    if subscription.get("status") in _OVER and invoice.get("status") in invoices.PAYABLE:
        return first_payment(operation, subscription)
    return _outcome(subscription, invoice)


def _first_invoice(
    operation: Operation, subscription: Mapping[str, Any]
) -> Step | Mapping[str, Any]:
    """Return the first invoice. A subscription that is looked at late may have been renewed, and
    shows that invoice instead: its first has to be read."""
    shown = _invoice_of(subscription)
    if shown.get("billing_reason") in (None, _MADE_WITH_IT):
        return shown
    listed = output_of(operation, _FIRST)
    return _list_first(subscription) if listed is None else _first_of(operation, listed)


def _list_first(subscription: Mapping[str, Any]) -> Step:
    until = {"lte": minor_of(subscription, "created") + _MADE_WITHIN}
    query = {"subscription": id_of(subscription), "created": until, "limit": 100}
    return Step(_FIRST, "get", "/v1/invoices", query, "list")


def _first_of(operation: Operation, listed: StepOutput) -> Mapping[str, Any]:
    """Return the first invoice; nothing if there was none, which no bank can be paying."""
    found = listed.body.get("data")
    if not listed.ok or not isinstance(found, list) or listed.body.get("has_more"):
        raise UnreadableAnswer("the invoices of a subscription were not shown")
    first = [item for item in found if item.get("billing_reason") == _MADE_WITH_IT]
    if not first and operation.state is OperationState.PROCESSING:
        raise UnreadableAnswer("the first invoice of a subscription was not shown")
    return first[0] if first else {}


def _outcome(subscription: Mapping[str, Any], invoice: Mapping[str, Any]) -> Outcome:
    """Return what a subscription has come to whose first invoice is `invoice`."""
    settled = known(_PAID, invoice.get("status", "none"), "the first invoice of a subscription")
    collected = invoices.collected(invoice) if settled else 0
    status = status_of(subscription)
    state = _state(status, str(invoice.get("status")))
    return Outcome(
        state=state,
        stripe_id=id_of(subscription),
        status=status,
        amount_minor=collected,
        currency=currency_of(subscription),
        paid=collected > 0,
        body=subscription,
        failure=_CANCELED if state is OperationState.CANCELED else None,
        destination_account=destination(subscription),
    )


def _state(status: str, invoice: str) -> OperationState:
    """One that is over has run if its first invoice was paid."""
    if status == "incomplete":
        return OperationState.REQUIRES_ACTION
    if status not in _OVER | _RUNS:
        raise UnreadableAnswer(f"a subscription has a status that is not known: {status}")
    if status in _OVER | _OWES and invoice in invoices.PAYABLE:
        return OperationState.PROCESSING
    canceled = status in _OVER and invoice != "paid"
    return OperationState.CANCELED if canceled else OperationState.SUCCEEDED
