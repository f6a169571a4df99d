"""charge and refund by bank transfer: asked for at once, done when a person has seen them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from hashlib import sha256
from typing import Any, ClassVar, Final, NamedTuple, Protocol

from ...errors import InvalidRequestError
from ...models import (
    LEFT_OUT,
    BotId,
    Call,
    Charge,
    Failure,
    Operation,
    OperationState,
    Outcome,
    Plan,
    Refund,
    ResolvedRoute,
    Result,
    Step,
    UnreadableAnswer,
    Verb,
)
from ...money import to_minor
from .. import arguments as check

PATH: Final = "wires"
KIND: Final = "wire"
_STEP = "wire"
_LONGEST = 1000
_STATES: Final = {
    "processing": OperationState.PROCESSING,
    "succeeded": OperationState.SUCCEEDED,
    "canceled": OperationState.CANCELED,
}


class Payments(Protocol):
    """What a refund has to know of its payment."""

    def left_of(self, payment_id: str, bot: BotId) -> tuple[int, str]:
        """Return the minor units of a bot's payment that nobody has given back, or asked to, and
        their currency; InvalidRequestError if there is no such payment, or it is not confirmed."""
        ...


class ManualVerb(Verb):
    """One step; whatever it asks for waits for a person."""

    makes = (KIND,)
    requests: ClassVar[tuple[str, ...]] = (
        f"post {PATH}",
        f"get {PATH}/{{id}}",
        f"post {PATH}/{{id}}/cancel",
    )

    def proceed(self, operation: Operation) -> Step | Outcome:
        shown = operation.outputs[-1].body if operation.outputs else None
        return operation.steps[0] if shown is None else outcome_of(shown)

    def refresh(self, operation: Operation) -> Step:
        return Step("look", "get", f"{PATH}/{_id_of(operation)}", {}, KIND)

    def cancel(self, operation: Operation) -> Step | None:
        path = f"{PATH}/{_id_of(operation)}/cancel"
        return Step("cancel", "post", path, {}, KIND, repeatable=True)

    def confirmed(self, operation: Operation, said: Mapping[str, str]) -> Outcome | None:
        if operation.outcome is None:
            return None
        return outcome_of({**operation.outcome.body, **said, "status": "succeeded"})


class _Charge(NamedTuple):
    amount: Decimal | int | str | float = LEFT_OUT
    description: str | None = None
    customer_id: str = LEFT_OUT


class WireCharge(ManualVerb):
    """The customer is asked to pay by `amount`; prices, cards and pages are Stripe's."""

    name: ClassVar[str] = "charge"
    action_type: ClassVar[str] = "charge"
    moves = "in"
    arguments = _Charge

    def check(
        self, arguments: Mapping[str, Any], params: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        asked = _asked(arguments, params, _Charge)
        amount = check.amount(arguments)
        if amount is None:
            raise check.invalid("amount", "is missing; a bank transfer has no price to bill")
        text = check.optional_text(arguments["description"], "description", _LONGEST)
        customer = check.optional_text(check.given(arguments, "customer_id"), "customer_id", 255)
        return {**asked, "amount": amount, "description": text, "customer_id": customer}, {}

    def plan(self, call: Call, route: ResolvedRoute, lookups: Payments) -> Plan:  # noqa: ARG002
        asked = call.arguments
        customer = asked["customer_id"] or route.route.customer_id
        amount_minor = to_minor(asked["amount"], route.currency)
        step = _asking(call, "in", amount_minor, route.currency, customer, asked["description"])
        return Plan((step,), amount_minor, route.currency, customer, route.route.user_email)

    def result_type(self) -> type[Result]:
        return Charge


class _Refund(NamedTuple):
    payment_id: str
    amount: Decimal | int | str | float = LEFT_OUT
    reason: str | None = None


class WireRefund(ManualVerb):
    """A person is asked to send a payment back, whole or in part."""

    name: ClassVar[str] = "refund"
    action_type: ClassVar[str] = "refund"
    moves = "out"
    gives_back = True
    arguments = _Refund
    events: ClassVar[Mapping[str, str]] = {"succeeded": "payment.refunded"}

    def check(
        self, arguments: Mapping[str, Any], params: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        asked = _asked(arguments, params, _Refund)
        payment = check.stripe_id(arguments["payment_id"], "payment_id", (f"{KIND}_",))
        if payment is None:
            raise check.invalid("payment_id", "is missing; pass the id that the charge returned")
        reason = check.optional_text(arguments["reason"], "reason", _LONGEST)
        amount = check.amount(arguments)
        return {**asked, "payment_id": payment, "amount": amount, "reason": reason}, {}

    def plan(self, call: Call, route: ResolvedRoute, lookups: Payments) -> Plan:
        asked = call.arguments
        left, currency = lookups.left_of(asked["payment_id"], call.bot)
        minor = left if asked["amount"] is None else to_minor(asked["amount"], currency)
        if not 0 < minor <= left:
            raise check.invalid("amount", "is more than what is left of the payment; ask for less")
        step = _asking(call, "out", minor, currency, None, asked["reason"], asked["payment_id"])
        return Plan((step,), minor, currency, None, route.route.user_email)

    def result_type(self) -> type[Result]:
        return Refund


def wire(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the transfer that a step asks for, as its operation names it."""
    name = str(params["metadata"]["operation_id"]).removeprefix("op_")
    return {
        "id": f"{KIND}_{name}",
        "object": KIND,
        "status": "processing",
        "reference": reference(name),
        **params,
    }


def reference(name: str) -> str:
    """Return the creditor reference (ISO 11649) by which a transfer's payer names it."""
    body = sha256(name.encode()).hexdigest()[:12].upper()
    digits = "".join(str(int(sign, 36)) for sign in f"{body}RF00")
    return f"RF{98 - int(digits) % 97:02}{body}"


def outcome_of(shown: Mapping[str, Any]) -> Outcome:
    """Return what a transfer has come to."""
    state = _STATES.get(str(shown.get("status")))
    if state is None:
        raise UnreadableAnswer("a transfer has a status that is not known")
    paid = state is OperationState.SUCCEEDED
    why = "the transfer was canceled before anybody saw it"
    return Outcome(
        state=state,
        stripe_id=shown["id"],
        status=shown["status"],
        amount_minor=shown["amount"] if paid else 0,
        currency=shown["currency"],
        paid=paid,
        body=shown,
        failure=Failure("canceled", why) if state is OperationState.CANCELED else None,
    )


def _asking(
    call: Call,
    direction: str,
    amount_minor: int,
    currency: str,
    customer: str | None,
    text: str | None,
    payment: str | None = None,
) -> Step:
    said = {"customer": customer, "description": text, "payment": payment}
    params = {
        "amount": amount_minor,
        "currency": currency,
        "direction": direction,
        "metadata": dict(call.metadata),
        **{name: value for name, value in said.items() if value is not None},
    }
    return Step(_STEP, "post", PATH, params, KIND)


def _id_of(operation: Operation) -> str:
    outcome = operation.outcome
    if outcome is None or outcome.stripe_id is None:
        raise AssertionError("an operation that waits has an outcome with an id")
    return outcome.stripe_id


def _asked(
    arguments: Mapping[str, Any], params: Mapping[str, Any], own: type[Any]
) -> dict[str, Any]:
    """Return all arguments, so that a call is the same call whichever provider is asked.

    InvalidRequestError for one that is given and means nothing to a bank.
    """
    asked = {name: None if value is LEFT_OUT else value for name, value in arguments.items()}
    others = {name for name, value in asked.items() if value not in (None, False)}
    for name in sorted({*others, *params} - set(own._fields)):
        raise InvalidRequestError(
            f"{name} means nothing where a bank transfer pays; leave it out.", parameter=name
        )
    return asked
