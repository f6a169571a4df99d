"""charge: collect a payment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ..errors import InvalidRequestError
from ..models import (
    Charge,
    Failure,
    Operation,
    OperationState,
    Outcome,
    ResolvedRoute,
    Result,
    Route,
    Step,
    StepOutput,
)
from ..money import canonical_amount, to_minor
from . import arguments as check
from .base import Call, Lookups, Plan, failure_of, output_of

_ARGUMENTS = (
    "amount",
    "description",
    "price_id",
    "quantity",
    "customer_id",
    "payment_method_id",
    "on_session",
)
_DECIDED = frozenset(
    """
    amount automatic_payment_methods confirm confirmation_method confirmation_token currency
    customer customer_account description error_on_requires_action mandate mandate_data metadata
    off_session payment_method payment_method_data payment_method_types radar_options return_url
    use_stripe_sdk
    """.split()
)
_CREATE = "payment_intent"
_CANCEL = "cancel"
_LOOK = "look"
_PAYMENT_INTENTS = "/v1/payment_intents"
_ACTION_NEEDED = frozenset({"authentication_required"})

_STATE_OF_STATUS = {
    "succeeded": OperationState.SUCCEEDED,
    "processing": OperationState.PROCESSING,
    "canceled": OperationState.CANCELED,
}
"""Every other status of a payment intent waits for the customer."""


@dataclass(frozen=True, slots=True)
class ChargeVerb:
    """One PaymentIntent, created and confirmed in one request.

    A declined payment intent is cancelled, so that nothing collects it later.
    """

    name: ClassVar[str] = "charge"
    action_type: ClassVar[str] = "charge"

    def check(
        self, arguments: Mapping[str, Any], params: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        clean = _check_arguments(arguments)
        return clean, check.params(params, "PaymentIntentCreateParams", _ARGUMENTS, _DECIDED)

    def plan(self, call: Call, route: ResolvedRoute, lookups: Lookups) -> Plan:
        asked = call.arguments
        customer = asked["customer_id"] or route.route.customer_id
        amount_minor = to_minor(asked["amount"], route.currency)
        method = _payment_method(asked, customer, route.route)
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
        step = Step(_CREATE, "post", _PAYMENT_INTENTS, params, "payment_intent")
        return Plan((step,), amount_minor, route.currency, customer)

    def proceed(self, operation: Operation) -> Step | Outcome:
        created = output_of(operation, _CREATE)
        if created is None:
            return operation.steps[0]
        if created.ok:
            return _outcome(created.body, self.returns(operation))
        payment = created.error.get("payment_intent")
        if not isinstance(payment, Mapping):
            return _refused(created)
        if created.error.get("code") in _ACTION_NEEDED:
            return _waiting(payment, failure_of(created, "action_required"))
        return _after_decline(operation, payment, failure_of(created, "declined"))

    def refresh(self, operation: Operation) -> Step:
        assert operation.outcome is not None and operation.outcome.stripe_id is not None  # noqa: S101, PT018 - a waiting operation has both
        return _look(operation.outcome.stripe_id)

    def reread(self, operation: Operation, output: StepOutput) -> Outcome:
        return _outcome(output.body, self.returns(operation))

    def returns(self, operation: Operation) -> bool:
        return bool(operation.arguments.get("on_session"))

    def result_type(self) -> type[Result]:
        return Charge


def _check_arguments(given: Mapping[str, Any]) -> dict[str, Any]:
    if given["price_id"] is not None and given["amount"] is not None:
        raise InvalidRequestError(
            "amount and price_id exclude each other; pass the one that is to be collected.",
            parameter="price_id",
        )
    if given["quantity"] is not None and given["amount"] is not None:
        raise check.invalid("quantity", "goes with price_id, not with amount; leave one out")
    if given["amount"] is None:
        raise check.invalid("amount", "is missing; pass it in major units, such as '19.99'")
    return {
        "amount": canonical_amount(given["amount"]),
        "description": check.optional_text(given["description"], "description", 1000),
        "customer_id": check.stripe_id(given["customer_id"], "customer_id", ("cus_",)),
        "payment_method_id": check.stripe_id(
            given["payment_method_id"], "payment_method_id", ("pm_", "card_", "src_", "ba_")
        ),
        "on_session": check.flag(given["on_session"], "on_session"),
    }


def _payment_method(asked: Mapping[str, Any], customer: str, route: Route) -> str | None:
    """The route's method belongs to the route's customer and to no other."""
    if asked["payment_method_id"] is not None:
        return str(asked["payment_method_id"])
    return route.payment_method_id if customer == route.customer_id else None


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


def _outcome(payment: Mapping[str, Any], on_session: bool) -> Outcome:
    state = _STATE_OF_STATUS.get(str(payment.get("status")), OperationState.REQUIRES_ACTION)
    if state is OperationState.REQUIRES_ACTION:
        return _waiting(payment, None if on_session else _no_method(payment))
    failure = None
    if state is OperationState.CANCELED:
        failure = Failure("declined", "the payment was canceled before it was collected")
    return _read(payment, state, failure)


def _no_method(payment: Mapping[str, Any]) -> Failure:
    what = "has no payment method" if payment.get("payment_method") is None else "waits"
    return Failure("action_required", f"the payment {what}", code=str(payment.get("status")))


def _waiting(payment: Mapping[str, Any], failure: Failure | None) -> Outcome:
    return _read(payment, OperationState.REQUIRES_ACTION, failure)


def _read(payment: Mapping[str, Any], state: OperationState, failure: Failure | None) -> Outcome:
    paid = state is OperationState.SUCCEEDED
    return Outcome(
        state=state,
        stripe_id=str(payment["id"]),
        status=str(payment.get("status")),
        amount_minor=int(payment.get("amount_received") or 0) if paid else 0,
        currency=str(payment["currency"]),
        paid=paid,
        body=payment,
        failure=failure,
        destination_account=_destination(payment),
    )


def _destination(payment: Mapping[str, Any]) -> str | None:
    transfer = payment.get("transfer_data")
    found = transfer.get("destination") if isinstance(transfer, Mapping) else None
    found = found or payment.get("on_behalf_of")
    return str(found["id"] if isinstance(found, Mapping) else found) if found else None


def _after_decline(
    operation: Operation, payment: Mapping[str, Any], failure: Failure
) -> Step | Outcome:
    """Make sure that the declined payment intent can no longer be paid, then say so."""
    payment_id = str(payment["id"])
    canceled = output_of(operation, _CANCEL)
    if canceled is None:
        return Step(
            _CANCEL, "post", f"{_PAYMENT_INTENTS}/{payment_id}/cancel", {}, "payment_intent", True
        )
    if canceled.ok:
        return _read(canceled.body, OperationState.FAILED, failure)
    looked = output_of(operation, _LOOK)
    if looked is None:
        return _look(payment_id)
    return _outcome(looked.body, on_session=False) if looked.ok else _refused(looked)


def _look(payment_id: str) -> Step:
    return Step(_LOOK, "get", f"{_PAYMENT_INTENTS}/{payment_id}", {}, "payment_intent", True)


def _refused(output: StepOutput) -> Outcome:
    return Outcome(
        state=OperationState.FAILED,
        stripe_id=None,
        status=None,
        amount_minor=0,
        currency=None,
        paid=False,
        body=output.body,
        failure=failure_of(output),
    )
