"""A payment by amount: one PaymentIntent, created and confirmed in one request.

A declined payment intent is cancelled, so that nothing collects it later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

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
from ....money import to_minor
from .base import (
    Lookups,
    Search,
    chosen_method,
    currency_of,
    failure_of,
    id_of,
    known,
    minor_of,
    output_of,
    refused,
    status_of,
)

PARAMETERS = "PaymentIntentCreateParams"
DECIDED = frozenset(
    """
    amount automatic_payment_methods confirm confirmation_method confirmation_token currency
    customer customer_account description error_on_requires_action mandate mandate_data metadata
    off_session payment_method payment_method_data payment_method_types radar_options return_url
    use_stripe_sdk
    """.split()
)
AMOUNT_GROWS: frozenset[str] = frozenset()
CREATE = "payment_intent"
_CANCEL = "cancel"
_LOOK = "look"
_PATH = "/v1/payment_intents"
REQUESTS = (f"post {_PATH}", f"get {_PATH}/{{id}}", f"post {_PATH}/{{id}}/cancel")
_AUTHENTICATION = "authentication_required"

_STATE_OF_STATUS = {
    "succeeded": OperationState.SUCCEEDED,
    "processing": OperationState.PROCESSING,
    "canceled": OperationState.CANCELED,
    "requires_payment_method": OperationState.REQUIRES_ACTION,
    "requires_confirmation": OperationState.REQUIRES_ACTION,
    "requires_action": OperationState.REQUIRES_ACTION,
    "requires_capture": OperationState.REQUIRES_ACTION,
}


def plan(call: Call, route: ResolvedRoute, lookups: Lookups) -> Plan:
    asked = call.arguments
    customer = asked["customer_id"] or route.route.customer_id
    amount_minor = to_minor(asked["amount"], route.currency)
    method = chosen_method(asked, customer, route.route)
    if method is None and not asked["on_session"]:
        method = lookups.default_payment_method(customer)
    params: dict[str, Any] = {
        **call.params,
        "amount": amount_minor,
        "currency": route.currency,
        "customer": customer,
        "metadata": dict(call.metadata),
        **_how_to_pay(method, asked["on_session"]),
    }
    if asked["description"] is not None:
        params["description"] = asked["description"]
    step = Step(CREATE, "post", _PATH, params, "payment_intent")
    return Plan((step,), amount_minor, route.currency, customer)


def _how_to_pay(method: str | None, on_session: bool) -> dict[str, Any]:
    if method is None:
        return {"automatic_payment_methods": {"enabled": True}}
    if on_session:
        return {"automatic_payment_methods": {"enabled": True}, "payment_method": method}
    return {
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        "payment_method": method,
        "confirm": True,
        "off_session": True,
    }


def proceed(operation: Operation, on_session: bool) -> Step | Outcome:
    created = output_of(operation, CREATE)
    if created is None:
        return operation.steps[0]
    if created.ok:
        return _after_success(operation, created.body, on_session)
    payment = created.error.get("payment_intent")
    if not isinstance(payment, Mapping):
        return refused(created)
    if created.error.get("code") == _AUTHENTICATION:
        failure = failure_of(created, "action_required")
        return _read(payment, OperationState.REQUIRES_ACTION, failure)
    return _after_decline(operation, payment, failure_of(created, "declined"))


def _after_success(
    operation: Operation, payment: Mapping[str, Any], on_session: bool
) -> Step | Outcome:
    """A payment intent that was found, not answered, may tell of its decline only here.

    While a customer is at it, a failed attempt is not the end: they may use another card.
    """
    if operation.state is OperationState.PROCESSING:
        return after_the_bank(operation, payment)
    error = payment.get("last_payment_error")
    theirs = operation.state is OperationState.REQUIRES_ACTION or on_session
    if theirs or error is None or payment.get("status") != "requires_payment_method":
        return outcome(payment, on_session)
    told = StepOutput(CREATE, 402, {"error": error})
    if error.get("code") == _AUTHENTICATION:
        return _read(payment, OperationState.REQUIRES_ACTION, failure_of(told, "action_required"))
    return _after_decline(operation, payment, failure_of(told, "declined"))


def after_the_bank(operation: Operation, payment: Mapping[str, Any]) -> Step | Outcome:
    """Return what has become of a payment that a bank was at. Its refusal is the end: nobody waits
    any more for a payment that stays payable. One that cannot be cancelled is `processing` still,
    with the failure that it has met."""
    found = outcome(payment, on_session=False)
    if found.state is not OperationState.REQUIRES_ACTION:
        return found
    error = payment.get("last_payment_error")
    if error is None:  # an event from before the bank was asked
        return replace(found, state=OperationState.PROCESSING, failure=None)
    failure = failure_of(StepOutput(CREATE, 402, {"error": error}), "declined")
    ended = _after_decline(operation, payment, failure)
    if isinstance(ended, Step) or ended.state is not OperationState.REQUIRES_ACTION:
        return ended
    return replace(ended, state=OperationState.PROCESSING, failure=failure)


def outcome(payment: Mapping[str, Any], on_session: bool) -> Outcome:
    """Return what a payment intent has come to."""
    state, failure = _state_of(payment), None
    if state is OperationState.REQUIRES_ACTION and not on_session:
        failure = _what_is_missing(payment)
    if state is OperationState.CANCELED:
        failure = Failure("canceled", "the payment was canceled before it was collected")
    return _read(payment, state, failure)


def _state_of(payment: Mapping[str, Any]) -> OperationState:
    return known(_STATE_OF_STATUS, status_of(payment), "a payment intent")


def _what_is_missing(payment: Mapping[str, Any]) -> Failure:
    lacks = payment.get("payment_method") is None
    what = "there is no payment method" if lacks else "the payment waits for its customer"
    return Failure("action_required", what, code=str(payment.get("status")))


def _read(payment: Mapping[str, Any], state: OperationState, failure: Failure | None) -> Outcome:
    paid = state is OperationState.SUCCEEDED
    _state_of(payment)  # whatever else was told, a status that is not known is no answer
    return Outcome(
        state=state,
        stripe_id=id_of(payment),
        status=status_of(payment),
        amount_minor=_received(payment) if paid else 0,
        currency=currency_of(payment),
        paid=paid,
        body=payment,
        failure=failure,
        destination_account=destination(payment),
    )


def _received(payment: Mapping[str, Any]) -> int:
    """Return what a payment that has succeeded collected; nothing here captures a part of one."""
    received = minor_of(payment, "amount_received")
    if payment.get("amount", received) != received:
        raise UnreadableAnswer("a payment that succeeded received something else than its amount")
    return received


def destination(body: Mapping[str, Any]) -> str | None:
    """Return the account that the object's money goes to, if it is not the platform's own;
    UnreadableAnswer for one that has no id."""
    transfer = body.get("transfer_data")
    found = transfer.get("destination") if isinstance(transfer, Mapping) else None
    found = found or body.get("on_behalf_of")
    return id_of(found if isinstance(found, Mapping) else {"id": found}) if found else None


def _after_decline(
    operation: Operation, payment: Mapping[str, Any], failure: Failure
) -> Step | Outcome:
    """Make sure that the declined payment intent can no longer be paid, then say so."""
    payment_id = id_of(payment)
    ended = output_of(operation, _CANCEL)
    if ended is None:
        return cancel(payment_id)
    if not ended.ok:
        ended = output_of(operation, _LOOK)
    if ended is None:
        return look(payment_id)
    if not ended.ok:
        raise UnreadableAnswer(f"a declined payment cannot be read (HTTP {ended.status})")
    if ended.body.get("status") == "canceled":
        return _read(ended.body, OperationState.FAILED, failure)
    return outcome(ended.body, on_session=False)


def cancel(payment_id: str) -> Step:
    path = f"{_PATH}/{payment_id}/cancel"
    return Step(_CANCEL, "post", path, {}, "payment_intent", repeatable=True)


def look(payment_id: str) -> Step:
    return Step(_LOOK, "get", f"{_PATH}/{payment_id}", {}, "payment_intent")


def search(operation: Operation) -> Search:
    return Search(CREATE, _PATH, {"customer": operation.customer_id})
