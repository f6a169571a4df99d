"""create_checkout_session: a page of Stripe's where a customer pays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple

from ....errors import InvalidAmountError
from ....models import (
    LEFT_OUT,
    Call,
    CheckoutSession,
    Failure,
    Operation,
    OperationState,
    Outcome,
    Plan,
    ResolvedRoute,
    Result,
    Step,
    StepOutput,
    UnreadableAnswer,
)
from ....money import currency
from ... import arguments as check
from . import payment_intents, subscription
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
    after_expiration customer customer_account currency line_items metadata mode setup_intent_data
    """.split()
)
"""`after_expiration` would let an expired session be paid after all."""

_PARAMETERS = "checkout.SessionCreateParams"
_LATER = {"payment": "payment_intent_data", "subscription": "subscription_data"}
"""What describes what a session creates, by its mode."""

_AMOUNT_VARIES = frozenset(
    """
    adaptive_pricing allow_promotion_codes automatic_tax discounts managed_payments optional_items
    shipping_options subscription_data
    """.split()
)
_LINE_VARIES = frozenset({"adjustable_quantity", "dynamic_tax_rates", "tax_rates"})
"""With these, what is collected is known only when it is."""

_CREATE = "session"
_EXPIRE = "expire"
_LOOK = "look_at_session"
_MADE = "made"
_CANCELED = Failure("canceled", "the session expired before it was completed")
_PAID = {"paid": True, "unpaid": False, "no_payment_required": False}
_PATH = "/v1/checkout/sessions"


class _Arguments(NamedTuple):
    line_items: Sequence[Mapping[str, Any]]
    customer_id: str = LEFT_OUT
    mode: str | None = None


class CheckoutVerb(StripeVerb):
    """One request; the session waits for its customer until it is completed or expires."""

    name: ClassVar[str] = "create_checkout_session"
    action_type: ClassVar[str] = "checkout_session"
    moves = "in"
    arguments = _Arguments
    makes = ("checkout.session",)
    requests: ClassVar[tuple[str, ...]] = (
        f"post {_PATH}",
        f"get {_PATH}/{{id}}",
        f"post {_PATH}/{{id}}/expire",
        *payment_intents.REQUESTS[1:],
        *subscription.REQUESTS[1:],
    )

    def check(
        self, arguments: Mapping[str, Any], params: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        clean = {
            "line_items": _line_items(arguments["line_items"]),
            "customer_id": check.stripe_id(
                check.given(arguments, "customer_id"), "customer_id", ("cus_",)
            ),
            "mode": check.one_of(arguments["mode"], _LATER, "mode"),
        }
        more = check.params(params, _PARAMETERS, _Arguments._fields, _DECIDED, _AMOUNT_VARIES)
        for name in _LATER.values():
            if not isinstance(more.get(name, {}), dict):
                raise check.invalid(name, "is not a dict; pass one")
        return clean, more

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
        params.setdefault(_LATER[mode], {})
        code, amount_minor = _total(lines)
        if code is not None:
            # Checkout would choose the currency of wherever its customer is, of those that a price
            # has, and rules would have been asked about another.
            params["currency"] = code
        if _AMOUNT_VARIES & set(call.params):
            amount_minor = None
        step = Step(_CREATE, "post", _PATH, params, "checkout.session")
        return Plan((step,), amount_minor, code, customer)

    def proceed(self, operation: Operation) -> Step | Outcome:
        created = output_of(operation, _CREATE)
        if created is None:
            return operation.steps[0]
        return _come_to(operation, created.body) if created.ok else refused(created)

    def search(self, operation: Operation) -> Search:
        return Search(_CREATE, _PATH, {"customer": operation.customer_id})

    def wind_up(self, operation: Operation) -> Step | Outcome:
        """A session that nobody was told of is closed."""
        created = output_of(operation, _CREATE)
        if created is None or not created.ok or created.body.get("status") != "open":
            return self.proceed(operation)
        expired, looked = output_of(operation, _EXPIRE), output_of(operation, _LOOK)
        if expired is None:
            return _expire(id_of(created.body))
        if expired.ok:
            return _outcome(expired.body)
        if looked is None:
            return _look(id_of(created.body))
        return _come_to(operation, looked.body)

    def refresh(self, operation: Operation) -> Step:
        return _look(waiting_id(operation))

    def cancel(self, operation: Operation) -> Step | None:
        return _expire(waiting_id(operation))

    def result_type(self) -> type[Result]:
        return CheckoutSession


def subscribes(step: Step) -> bool:
    """Say whether a step opens a page on which a customer subscribes."""
    return step.expects == "checkout.session" and step.params["mode"] == "subscription"


def _expire(session_id: str) -> Step:
    path = f"{_PATH}/{session_id}/expire"
    return Step(_EXPIRE, "post", path, {}, "checkout.session", repeatable=True)


def _look(session_id: str) -> Step:
    return Step(_LOOK, "get", f"{_PATH}/{session_id}", {}, "checkout.session")


def _line_items(given: Any) -> list[Any]:
    if not isinstance(given, list | tuple) or not given:
        raise check.invalid(
            "line_items", "is not a list of items; pass [{'price': 'price_…', 'quantity': 1}]"
        )
    lines = {"line_items": list(given)}
    checked = check.params(lines, _PARAMETERS, _Arguments._fields, (), lines)["line_items"]
    return [_line(line, f"line_items[{number}]") for number, line in enumerate(checked)]


def _line(line: Any, where: str) -> dict[str, Any]:
    kept = dict(line) if isinstance(line, dict) else {}
    if ("price" in kept) == ("price_data" in kept):
        raise check.invalid(where, "needs either price or price_data")
    check.quantity(kept.get("quantity"))
    if "price" in kept:
        check.stripe_id(kept["price"], f"{where}.price", ("price_", "plan_"))
    else:
        _check_price_data(kept["price_data"], f"{where}.price_data")
    return kept


def _check_price_data(data: Any, where: str) -> None:
    if not isinstance(data, dict):
        raise check.invalid(
            where, "is not a dict; pass {'currency': 'usd', 'unit_amount': 1999, …}"
        )
    try:
        currency(data.get("currency"))
    except InvalidAmountError as error:
        raise check.invalid(f"{where}.currency", f"is wrong: {str(error).rstrip('.')}") from None


def _priced(line: Mapping[str, Any], lookups: Lookups) -> tuple[bool, str, int | None]:
    """Return whether a line recurs, its currency, and its amount in minor units if known."""
    quantity = line.get("quantity", 1)
    if "price" in line:
        price = lookups.price(line["price"])
        recurring, code, amount = price.recurring, price.currency, price.total(price.currency, 1)
    else:
        data = line["price_data"]
        recurring, code = data.get("recurring") is not None, currency(data["currency"]).code
        amount = data.get("unit_amount")
    known = isinstance(amount, int) and amount >= 0 and not _LINE_VARIES & set(line)
    return recurring, code, amount * quantity if known else None


def _total(lines: list[tuple[bool, str, int | None]]) -> tuple[str | None, int | None]:
    currencies = {code for _, code, _ in lines}
    amounts = [amount for _, _, amount in lines if amount is not None]
    if len(currencies) != 1:
        return None, None
    return currencies.pop(), sum(amounts) if len(amounts) == len(lines) else None


def _come_to(operation: Operation, session: Mapping[str, Any]) -> Step | Outcome:
    """Return what a session has come to. Once its customer is done, it says no more of a bank that
    refuses later, nor what a first invoice collected beside its lines: what it made is read."""
    made, paying = session.get("subscription"), session.get("payment_intent")
    if session.get("status") != "complete":
        return _outcome(session)
    if isinstance(made, str):
        shown = output_of(operation, _MADE)
        if shown is None:
            return replace(subscription.look(made), name=_MADE)
        return _as_session(session, subscription.first_payment(operation, _body(shown)))
    if isinstance(paying, str) and session.get("payment_status") == "unpaid":
        shown = output_of(operation, _MADE)
        if shown is None:
            return replace(payment_intents.look(paying), name=_MADE)
        return _as_session(session, payment_intents.after_the_bank(operation, _body(shown)))
    return _outcome(session)


def _body(shown: StepOutput) -> Mapping[str, Any]:
    if not shown.ok:
        raise UnreadableAnswer(f"what a session made is not shown (HTTP {shown.status})")
    return shown.body


def _as_session(session: Mapping[str, Any], judged: Step | Outcome) -> Step | Outcome:
    if isinstance(judged, Step):
        return judged
    return replace(judged, stripe_id=id_of(session), status=status_of(session), body=session)


def _outcome(session: Mapping[str, Any]) -> Outcome:
    status = status_of(session)
    paid = known(_PAID, session.get("payment_status"), "the payment of a session")
    state = _state(status, session.get("payment_status"))
    if paid and state is not OperationState.SUCCEEDED:
        raise UnreadableAnswer(f"a session is {status} and paid")
    return Outcome(
        state=state,
        stripe_id=id_of(session),
        status=status,
        amount_minor=minor_of(session, "amount_total") if paid else 0,
        currency=currency_of(session),
        paid=paid,
        body=session,
        failure=_CANCELED if state is OperationState.CANCELED else None,
    )


def _state(status: str, payment_status: object) -> OperationState:
    if status == "complete":
        unpaid = payment_status == "unpaid"
        return OperationState.PROCESSING if unpaid else OperationState.SUCCEEDED
    if status == "expired":
        return OperationState.CANCELED
    if status != "open":
        raise UnreadableAnswer(f"a session has a status that is not known: {status}")
    return OperationState.REQUIRES_ACTION
