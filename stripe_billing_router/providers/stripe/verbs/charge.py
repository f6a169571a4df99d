"""charge: collect a payment, by amount or by price."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar, NamedTuple

from ....errors import InvalidRequestError
from ....models import LEFT_OUT, Call, Charge, Operation, Outcome, Plan, ResolvedRoute, Result, Step
from ... import arguments as check
from . import invoices, payment_intents
from .base import PAYMENT_METHOD_PREFIXES, Lookups, Search, StripeVerb, waiting_id

_PAYS = ("price_id", "quantity", "customer_id", "payment_method_id")


class _Arguments(NamedTuple):
    amount: Decimal | int | str | float = LEFT_OUT
    description: str | None = None
    price_id: str = LEFT_OUT
    quantity: int = LEFT_OUT
    customer_id: str = LEFT_OUT
    payment_method_id: str = LEFT_OUT
    on_session: bool = False


class ChargeVerb(StripeVerb):
    """`amount` makes a PaymentIntent; `price_id`, or neither, makes an invoice."""

    name: ClassVar[str] = "charge"
    action_type: ClassVar[str] = "charge"
    moves = "in"
    arguments = _Arguments
    makes = ("payment_intent", "invoice")
    requests: ClassVar[tuple[str, ...]] = (*payment_intents.REQUESTS, *invoices.REQUESTS)

    def check(
        self, arguments: Mapping[str, Any], params: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        clean = _check_arguments(arguments)
        flow = invoices if clean["amount"] is None else payment_intents
        return clean, check.params(
            params, flow.PARAMETERS, _Arguments._fields, flow.DECIDED, flow.AMOUNT_GROWS
        )

    def plan(self, call: Call, route: ResolvedRoute, lookups: Lookups) -> Plan:
        if call.arguments["amount"] is None:
            return invoices.plan(call, route, lookups)
        return payment_intents.plan(call, route, lookups)

    def proceed(self, operation: Operation) -> Step | Outcome:
        if _by_price(operation):
            return invoices.proceed(operation)
        return payment_intents.proceed(operation, self.returns(operation))

    def search(self, operation: Operation) -> Search:
        if _by_price(operation):
            return invoices.search(operation)
        return payment_intents.search(operation)

    def wind_up(self, operation: Operation) -> Step | Outcome:
        return invoices.wind_up(operation) if _by_price(operation) else self.proceed(operation)

    def refresh(self, operation: Operation) -> Step:
        if _by_price(operation):
            return invoices.look(waiting_id(operation))
        return payment_intents.look(waiting_id(operation))

    def revisit(self, operation: Operation) -> Step | Outcome:
        return invoices.revisit(operation) if _by_price(operation) else self.proceed(operation)

    def cancel(self, operation: Operation) -> Step | None:
        if _by_price(operation):
            return invoices.cancel(waiting_id(operation))
        return payment_intents.cancel(waiting_id(operation))

    def returns(self, operation: Operation) -> bool:
        return bool(operation.arguments["on_session"])

    def result_type(self) -> type[Result]:
        return Charge


def _by_price(operation: Operation) -> bool:
    return operation.steps[0].name == invoices.CREATE


def _check_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    given = {**arguments, **{name: check.given(arguments, name) for name in _PAYS}}
    amount = check.amount(arguments)
    if amount is not None and given["price_id"] is not None:
        raise InvalidRequestError(
            "amount and price_id exclude each other; pass the one that is to be collected.",
            parameter="price_id",
        )
    if amount is not None and given["quantity"] is not None:
        raise check.invalid("quantity", "goes with price_id, not with amount; leave one out")
    on_session = check.flag(given["on_session"], "on_session")
    if on_session and amount is None:
        raise check.invalid("on_session", "goes with amount, not with a price; leave one out")
    return {
        "amount": amount,
        "description": check.optional_text(given["description"], "description", 1000),
        "price_id": check.stripe_id(given["price_id"], "price_id", ("price_", "plan_")),
        "quantity": check.quantity(given["quantity"]),
        "customer_id": check.stripe_id(given["customer_id"], "customer_id", ("cus_",)),
        "payment_method_id": check.stripe_id(
            given["payment_method_id"], "payment_method_id", PAYMENT_METHOD_PREFIXES
        ),
        "on_session": on_session,
    }
