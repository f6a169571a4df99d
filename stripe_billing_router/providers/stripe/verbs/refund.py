"""refund: give back a payment, whole or in part, in the payment's own currency."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
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
    Refund,
    ResolvedRoute,
    Result,
    Step,
)
from ....money import to_minor
from ... import arguments as check
from .base import (
    Lookups,
    Search,
    StripeVerb,
    currency_of,
    id_of,
    known,
    minor_of,
    output_of,
    refused,
    status_of,
    waiting_id,
)

_DECIDED = frozenset(
    """
    amount charge currency customer metadata origin payment_intent reason refund_application_fee
    reverse_transfer
    """.split()
)
_REASONS = ("duplicate", "fraudulent", "requested_by_customer")
_PARAMETER = {"pi_": "payment_intent", "ch_": "charge", "py_": "charge"}
_CREATE = "refund"
_STATE_OF_STATUS = {
    "succeeded": OperationState.SUCCEEDED,
    "pending": OperationState.PROCESSING,
    "requires_action": OperationState.REQUIRES_ACTION,
    "failed": OperationState.FAILED,
    "canceled": OperationState.CANCELED,
}


class _Arguments(NamedTuple):
    payment_id: str
    amount: Decimal | int | str | float = LEFT_OUT
    reason: str | None = None


class RefundVerb(StripeVerb):
    """One refund request; the customer's bank may take days over it."""

    name: ClassVar[str] = "refund"
    action_type: ClassVar[str] = "refund"
    moves = "out"
    gives_back = True
    arguments = _Arguments
    makes = ("refund",)
    events: ClassVar[Mapping[str, str]] = {"succeeded": "payment.refunded"}
    requests: ClassVar[tuple[str, ...]] = (
        "post /v1/refunds",
        "get /v1/refunds/{id}",
        "post /v1/refunds/{id}/cancel",
    )

    def check(
        self, arguments: Mapping[str, Any], params: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        clean = {
            "payment_id": _payment_id(arguments["payment_id"]),
            "amount": check.amount(arguments),
            "reason": check.one_of(arguments["reason"], _REASONS, "reason"),
        }
        return clean, check.params(params, "RefundCreateParams", _Arguments._fields, _DECIDED)

    def plan(self, call: Call, route: ResolvedRoute, lookups: Lookups) -> Plan:  # noqa: ARG002
        asked = call.arguments
        payment = asked["payment_id"]
        if payment.startswith("in_"):
            payment = lookups.payment_of_invoice(payment)
        currency = amount_minor = None
        if asked["amount"] is not None:
            currency = lookups.currency_of_payment(payment)
            amount_minor = to_minor(asked["amount"], currency)
        params = {
            **call.params,
            _PARAMETER[payment[:3]]: payment,
            "metadata": dict(call.metadata),
            **({} if amount_minor is None else {"amount": amount_minor}),
            **({} if asked["reason"] is None else {"reason": asked["reason"]}),
        }
        step = Step(_CREATE, "post", "/v1/refunds", params, "refund")
        return Plan((step,), amount_minor, currency, None)

    def proceed(self, operation: Operation) -> Step | Outcome:
        created = output_of(operation, _CREATE)
        if created is None:
            return operation.steps[0]
        return _outcome(created.body) if created.ok else refused(created)

    def search(self, operation: Operation) -> Search:
        return Search(_CREATE, "/v1/refunds", _listed_by(operation))

    def refresh(self, operation: Operation) -> Step:
        return Step("look", "get", f"/v1/refunds/{waiting_id(operation)}", {}, "refund")

    def cancel(self, operation: Operation) -> Step | None:
        path = f"/v1/refunds/{waiting_id(operation)}/cancel"
        return Step("cancel", "post", path, {}, "refund", repeatable=True)

    def result_type(self) -> type[Result]:
        return Refund


def _payment_id(value: Any) -> str:
    found = check.stripe_id(value, "payment_id", ("pi_", "ch_", "py_", "in_"))
    if found is None:
        raise InvalidRequestError(
            "payment_id is missing; pass the id of a payment, a charge or an invoice.",
            parameter="payment_id",
        )
    return found


def _outcome(refund: Mapping[str, Any]) -> Outcome:
    undecided = refund.get("status", "") is None  # as Stripe shows some that are under way
    status = "pending" if undecided else status_of(refund)
    state = known(_STATE_OF_STATUS, status, "a refund")
    done = state is OperationState.SUCCEEDED
    failure = None
    if state in (OperationState.FAILED, OperationState.CANCELED):
        why = str(refund.get("failure_reason") or "Stripe gave no reason")
        kind = "refused" if state is OperationState.FAILED else "canceled"
        failure = Failure(kind, f"the refund {status} ({why})", code=why)
    return Outcome(
        state=state,
        stripe_id=id_of(refund),
        status=status,
        amount_minor=minor_of(refund, "amount") if done else 0,
        currency=currency_of(refund),
        paid=done,
        body=refund,
        failure=failure,
    )


def _listed_by(operation: Operation) -> dict[str, Any]:
    params = operation.steps[0].params
    return {name: params[name] for name in ("payment_intent", "charge") if name in params}
