"""create_checkout_session: a page of Stripe's where a customer pays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ..models import (
    CheckoutSession,
    Operation,
    OperationState,
    Outcome,
    ResolvedRoute,
    Result,
    Step,
)
from . import arguments as check
from .base import Call, Lookups, Plan, Search, output_of, refused, waiting_id

_ARGUMENTS = ("line_items", "customer_id", "mode")
_DECIDED = frozenset("customer customer_account currency line_items metadata mode".split())
_PARAMETERS = "checkout.SessionCreateParams"
_MODES = ("payment", "subscription", "setup")
_CREATE = "session"
_PATH = "/v1/checkout/sessions"


@dataclass(frozen=True, slots=True)
class CheckoutVerb:
    """One request; the session waits for its customer until it is completed or expires."""

    name: ClassVar[str] = "create_checkout_session"
    action_type: ClassVar[str] = "checkout_session"

    def check(
        self, arguments: Mapping[str, Any], params: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        mode = arguments["mode"]
        if mode is not None and mode not in _MODES:
            raise check.invalid("mode", f"is not one; pass one of {', '.join(_MODES)}")
        clean = {
            "line_items": _line_items(arguments["line_items"]),
            "customer_id": check.stripe_id(arguments["customer_id"], "customer_id", ("cus_",)),
            "mode": mode,
        }
        return clean, check.params(params, _PARAMETERS, _ARGUMENTS, _DECIDED)

    def plan(self, call: Call, route: ResolvedRoute, lookups: Lookups) -> Plan:
        asked = call.arguments
        customer = asked["customer_id"] or route.route.customer_id
        lines = [_priced(line, lookups) for line in asked["line_items"]]
        recurring = any(repeats for repeats, _, _ in lines)
        mode = asked["mode"] or ("subscription" if recurring else "payment")
        params: dict[str, Any] = {
            **call.params,
            "customer": customer,
            "line_items": asked["line_items"],
            "mode": mode,
            "metadata": dict(call.metadata),
        }
        later = {"payment": "payment_intent_data", "subscription": "subscription_data"}.get(mode)
        if later is not None:
            params[later] = {**call.params.get(later, {})}
        currency, amount_minor = _total(lines)
        step = Step(_CREATE, "post", _PATH, params, "checkout.session")
        return Plan((step,), amount_minor, currency, customer)

    def proceed(self, operation: Operation) -> Step | Outcome:
        created = output_of(operation, _CREATE)
        if created is None:
            return operation.steps[0]
        return _outcome(created.body) if created.ok else refused(created)

    def search(self, operation: Operation) -> Search:
        return Search(_CREATE, _PATH, {"customer": operation.customer_id})

    def wind_up(self, operation: Operation) -> Step | Outcome:
        return self.proceed(operation)

    def refresh(self, operation: Operation) -> Step:
        return Step("look", "get", f"{_PATH}/{waiting_id(operation)}", {}, "checkout.session")

    def revisit(self, operation: Operation) -> Step | Outcome:
        return self.proceed(operation)

    def cancel(self, operation: Operation) -> Step | None:
        path = f"{_PATH}/{waiting_id(operation)}/expire"
        return Step("cancel", "post", path, {}, "checkout.session", repeatable=True)

    def returns(self, operation: Operation) -> bool:  # noqa: ARG002 - the same for all
        return True

    def result_type(self) -> type[Result]:
        return CheckoutSession


def _line_items(given: Any) -> list[Any]:
    if not isinstance(given, list | tuple) or not given:
        raise check.invalid(
            "line_items", "is not a list of items; pass [{'price': 'price_…', 'quantity': 1}]"
        )
    checked = check.params({"line_items": list(given)}, _PARAMETERS, _ARGUMENTS, ())["line_items"]
    for number, line in enumerate(checked):
        if not isinstance(line, dict) or ("price" in line) == ("price_data" in line):
            raise check.invalid(f"line_items[{number}]", "needs either price or price_data")
        if "quantity" in line:
            check.quantity(line["quantity"])
    return list(checked)


def _priced(line: Mapping[str, Any], lookups: Lookups) -> tuple[bool, str | None, int | None]:
    """Return whether a line recurs, its currency, and its amount in minor units if known."""
    quantity = int(line.get("quantity", 1))
    if "price" in line:
        price = lookups.price(line["price"])
        return price.recurring, price.currency, price.total(price.currency, quantity)
    data = line["price_data"] if isinstance(line["price_data"], Mapping) else {}
    amount = data.get("unit_amount")
    known = amount * quantity if isinstance(amount, int) else None
    return "recurring" in data, data.get("currency"), known


def _total(lines: list[tuple[bool, str | None, int | None]]) -> tuple[str | None, int | None]:
    currencies = {currency for _, currency, _ in lines}
    amounts = [amount for _, _, amount in lines if amount is not None]
    if len(currencies) != 1:
        return None, None
    return currencies.pop(), sum(amounts) if len(amounts) == len(lines) else None


def _outcome(session: Mapping[str, Any]) -> Outcome:
    paid = session.get("payment_status") == "paid"
    state = _state(str(session.get("status")), paid or session.get("payment_status") != "unpaid")
    return Outcome(
        state=state,
        stripe_id=str(session["id"]),
        status=str(session.get("status")),
        amount_minor=int(session.get("amount_total") or 0) if paid else 0,
        currency=session.get("currency"),
        paid=paid,
        body=session,
    )


def _state(status: str, settled: bool) -> OperationState:
    if status == "complete":
        return OperationState.SUCCEEDED if settled else OperationState.PROCESSING
    return OperationState.CANCELED if status == "expired" else OperationState.REQUIRES_ACTION
