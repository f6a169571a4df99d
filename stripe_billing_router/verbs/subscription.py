"""create_subscription: a customer pays a recurring price from now on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ..errors import InvalidRequestError
from ..models import (
    Operation,
    OperationState,
    Outcome,
    ResolvedRoute,
    Result,
    Step,
    Subscription,
)
from . import arguments as check
from .base import Call, Lookups, Plan, Search, output_of, refused, waiting_id
from .methods import chosen_method
from .payment_intents import destination

_ARGUMENTS = ("price_id", "customer_id", "quantity")
_DECIDED = frozenset(
    """
    collection_method currency customer customer_account days_until_due default_payment_method
    default_source items metadata off_session
    """.split()
)
_CREATE = "subscription"
_PATH = "/v1/subscriptions"
_EXPAND = ["latest_invoice"]
_STATE_OF_STATUS = {
    "incomplete": OperationState.REQUIRES_ACTION,
    "incomplete_expired": OperationState.CANCELED,
}
"""Every other status is a subscription that runs, or has run."""


@dataclass(frozen=True, slots=True)
class SubscriptionVerb:
    """One request. Unless the caller decides otherwise, a first payment that fails refuses all."""

    name: ClassVar[str] = "create_subscription"
    action_type: ClassVar[str] = "subscription"

    def check(
        self, arguments: Mapping[str, Any], params: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        clean = {
            "price_id": check.stripe_id(arguments["price_id"], "price_id", ("price_", "plan_")),
            "customer_id": check.stripe_id(arguments["customer_id"], "customer_id", ("cus_",)),
            "quantity": check.quantity(arguments["quantity"]),
        }
        return clean, check.params(params, "SubscriptionCreateParams", _ARGUMENTS, _DECIDED)

    def plan(self, call: Call, route: ResolvedRoute, lookups: Lookups) -> Plan:
        asked = call.arguments
        customer = asked["customer_id"] or route.route.customer_id
        price = lookups.price(asked["price_id"] or route.route.price_id)
        if not price.recurring:
            raise InvalidRequestError(
                f"{price.id} is a one-time price; use charge(), or a recurring price.",
                parameter="price_id",
            )
        quantity = asked["quantity"] or 1
        method = chosen_method(asked, customer, route.route)
        params = {
            "payment_behavior": "error_if_incomplete",
            **call.params,
            "customer": customer,
            "items": [{"price": price.id, "quantity": quantity}],
            "off_session": True,
            "expand": _EXPAND,
            "metadata": dict(call.metadata),
            **({} if method is None else {"default_payment_method": method}),
        }
        step = Step(_CREATE, "post", _PATH, params, "subscription")
        return Plan((step,), price.total(price.currency, quantity), price.currency, customer)

    def proceed(self, operation: Operation) -> Step | Outcome:
        created = output_of(operation, _CREATE)
        if created is None:
            return operation.steps[0]
        return _outcome(created.body) if created.ok else refused(created)

    def search(self, operation: Operation) -> Search:
        return Search(_CREATE, _PATH, {"customer": operation.customer_id, "status": "all"})

    def wind_up(self, operation: Operation) -> Step | Outcome:
        return self.proceed(operation)

    def refresh(self, operation: Operation) -> Step:
        path = f"{_PATH}/{waiting_id(operation)}"
        return Step("look", "get", path, {"expand": _EXPAND}, "subscription")

    def revisit(self, operation: Operation) -> Step | Outcome:
        return self.proceed(operation)

    def cancel(self, operation: Operation) -> Step | None:
        return Step("cancel", "delete", f"{_PATH}/{waiting_id(operation)}", {}, "subscription")

    def returns(self, operation: Operation) -> bool:  # noqa: ARG002 - the same for all
        return True

    def result_type(self) -> type[Result]:
        return Subscription


def _outcome(subscription: Mapping[str, Any]) -> Outcome:
    status = str(subscription.get("status"))
    invoice = subscription.get("latest_invoice")
    invoice = invoice if isinstance(invoice, Mapping) else {}
    collected = int(invoice.get("amount_paid") or 0)
    return Outcome(
        state=_STATE_OF_STATUS.get(status, OperationState.SUCCEEDED),
        stripe_id=str(subscription["id"]),
        status=status,
        amount_minor=collected,
        currency=subscription.get("currency"),
        paid=invoice.get("status") == "paid" and collected > 0,
        body=subscription,
        destination_account=destination(subscription),
    )
