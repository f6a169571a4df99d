"""What a verb is: it checks arguments, plans Stripe steps, and reads what came back."""

from __future__ import annotations

import json
import re
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from ....errors import InvalidRequestError
from ....frozen import frozen
from ....models import (
    BotId,
    Failure,
    Operation,
    OperationState,
    Outcome,
    ResolvedRoute,
    Route,
    Step,
    StepOutput,
    UnreadableAnswer,
    Verb,
)
from ....money import CURRENCIES
from ...arguments import METADATA_NAMES, invalid

T = TypeVar("T")


_CREATED_LATER = ("payment_intent_data", "subscription_data")
"""Where a checkout session takes the metadata of what it will create."""


def stamped(step: Step, operation_id: str, bot: BotId) -> Step:
    """Return a step with operation id and bot id in the metadata of all that it creates.

    It is a copy in JSON types: what is stored and hashed is what is sent.
    """
    stamp = {"operation_id": operation_id, "bot_id": str(bot)}
    params = json.loads(json.dumps(step.params))
    if "metadata" in params:
        params = _with_metadata(params, stamp)
        for name in _CREATED_LATER:
            if name in params:
                params[name] = _with_metadata(params[name], params["metadata"], f"{name}.")
    return replace(step, params=params)


def _with_metadata(
    params: Mapping[str, Any], more: Mapping[str, str], where: str = ""
) -> dict[str, Any]:
    """Return params with `more` in their metadata; InvalidRequestError beyond Stripe's limit."""
    merged = {**params.get("metadata", {}), **more}
    if len(merged) > METADATA_NAMES:
        raise invalid(
            f"{where}metadata",
            f"has {len(merged)} names together with the call's metadata and the router's own; at "
            f"most {METADATA_NAMES} fit",
        )
    return {**params, "metadata": merged}


@frozen
class Price:
    """What Stripe knows of a price. `amounts` are minor units of one piece by currency; a
    currency whose amount depends on the quantity (tiers) is missing."""

    id: str
    currency: str
    amounts: Mapping[str, int]
    recurring: bool

    def total(self, currency: str, quantity: int) -> int | None:
        """Return minor units of `quantity` pieces, or None where that cannot be known."""
        amount = self.amounts.get(currency)
        return None if amount is None else amount * quantity


PAYMENT_METHOD_PREFIXES = ("pm_", "card_", "src_", "ba_")


def chosen_method(asked: Mapping[str, Any], customer_id: str, route: Route) -> str | None:
    """Return the caller's method, else the route's: that belongs to the route's customer only."""
    if asked.get("payment_method_id") is not None:
        return str(asked["payment_method_id"])
    return route.payment_method_id if customer_id == route.customer_id else None


def billed_currency(price: Price, route: ResolvedRoute) -> str:
    """The route's own currency has to be one the price has; a mere default gives way."""
    wanted = route.route.currency
    if wanted is None or wanted == price.currency or wanted in price.amounts:
        return wanted or price.currency
    raise InvalidRequestError(
        f"{price.id} is in {price.currency}, the route in {wanted}; correct the route's currency "
        "or price_id.",
        parameter="price_id",
    )


@frozen
class Search:
    """A list of Stripe's in which an operation's object would be; `name` is its first step."""

    name: str
    path: str
    params: Mapping[str, Any]
    by_time: bool = True


class Lookups(Protocol):
    """Reads that a plan may need; cached by whoever implements them."""

    def default_payment_method(self, customer_id: str) -> str | None: ...
    def price(self, price_id: str) -> Price: ...
    def payment_of_invoice(self, invoice_id: str) -> str:
        """Return the payment intent or charge that paid an invoice."""
        ...

    def currency_of_payment(self, payment_id: str) -> str: ...
    def owed(self, customer_id: str, currency: str) -> int:
        """Return minor units that a customer's next invoice collects besides its own lines."""
        ...


class StripeVerb(Verb):
    """One money verb, as Stripe does it."""

    @abstractmethod
    def search(self, operation: Operation) -> Search:
        """Return where Stripe lists what the operation's first step creates."""

    def email_in(self, shown: Mapping[str, Any]) -> str | None:
        return email_in(shown)


def output_of(operation: Operation, step: str) -> StepOutput | None:
    """Return what Stripe answered to the named step, if it has."""
    return next((output for output in operation.outputs if output.step == step), None)


def waiting_id(operation: Operation) -> str:
    """Return the Stripe id of an operation that waits."""
    outcome = operation.outcome
    if outcome is None or outcome.stripe_id is None:
        raise AssertionError("an operation that waits has an outcome with an id")
    return outcome.stripe_id


def id_of(body: Mapping[str, Any]) -> str:
    """Return an object's id; UnreadableAnswer if it has none, or one that Stripe never gives."""
    return _sure(body, "id", plain_id(body.get("id")), str)


def plain_id(found: object) -> str | None:
    """Return an id of Stripe's; None for what is none, which no column might take."""
    return found if isinstance(found, str) and _AN_ID.fullmatch(found) else None


_AN_ID = re.compile(r"[A-Za-z0-9_-]{1,255}")


def status_of(body: Mapping[str, Any]) -> str:
    """Return an object's status; UnreadableAnswer if it has none."""
    return _sure(body, "status", body.get("status"), str)


def known(words: Mapping[str, T], word: object, whose: str) -> T:
    """Return what a word of Stripe's means; UnreadableAnswer for one that is not known."""
    if not isinstance(word, str) or word not in words:
        raise UnreadableAnswer(f"{whose} has a status that is not known: {word}")
    return words[word]


_LONGEST_EMAIL = 254


def email_in(shown: Mapping[str, Any]) -> str | None:
    """Return the e-mail address that an object of Stripe's, or a request, names as its payer's."""
    for path in _EMAILS:
        value: Any = shown
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        if isinstance(value, str) and "@" in value and len(value) <= _LONGEST_EMAIL:
            return value if value.isprintable() else None
    return None


_EMAILS = (
    ("email",),
    ("receipt_email",),
    ("customer_email",),
    ("customer_details", "email"),
    ("latest_invoice", "customer_email"),
)


def minor_of(body: Mapping[str, Any], name: str) -> int:
    """Return an amount in minor units; UnreadableAnswer if it is not there, or no database holds
    it."""
    found = _sure(body, name, body.get(name), int)
    return _sure(body, name, found if 0 <= found < _TOO_MUCH else None, int)


_TOO_MUCH = 2**63


def currency_of(body: Mapping[str, Any]) -> str:
    """Return an object's currency; UnreadableAnswer for one whose minor units are not known."""
    code = _sure(body, "currency", body.get("currency"), str).lower()
    return _sure(body, "currency", code if code in CURRENCIES else None, str)


def _sure(body: Mapping[str, Any], name: str, value: Any, kind: type[T]) -> T:
    if not isinstance(value, kind) or isinstance(value, bool) or value == "":
        raise UnreadableAnswer(f"Stripe's {body.get('object')} has no {name} that can be read")
    return value


def refused(output: StepOutput) -> Outcome:
    """Return the outcome of a request that Stripe refused before it created anything."""
    error = output.error
    kind = "declined" if error.get("type") == "card_error" else "refused"
    return Outcome(
        state=OperationState.FAILED,
        stripe_id=None,
        status=None,
        amount_minor=0,
        currency=None,
        paid=False,
        body=output.body,
        failure=failure_of(output, kind),
    )


def failure_of(output: StepOutput, kind: str = "refused") -> Failure:
    """Return Stripe's refusal as data."""
    error = output.error
    return Failure(
        kind="conflict" if error.get("type") == "idempotency_error" else kind,
        message=str(error.get("message") or "Stripe gave no reason"),
        code=_text(error.get("code")),
        decline_code=_text(error.get("decline_code")),
        parameter=_text(error.get("param")),
        http_status=output.status,
        request_id=output.request_id,
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


_NAMING = ("id", "latest_charge", "payment_intent", "charge", "invoice", "latest_invoice")
"""Where Stripe names payments in what it tells; other text in it may be the bot's own."""


def names_in(told: Mapping[str, Any]) -> Iterator[str]:
    """Yield the ids of a payment, its charge and its invoice, also of the objects in them."""
    for name in _NAMING:
        value = told.get(name)
        if isinstance(value, str):
            yield value
        elif isinstance(value, Mapping):
            yield from names_in(value)
    for payment in _listed(told.get("payments")):
        yield from names_in(payment.get("payment") or {})


def _listed(value: Any) -> list[Mapping[str, Any]]:
    found = value.get("data") if isinstance(value, Mapping) else None
    return [item for item in found if isinstance(item, Mapping)] if isinstance(found, list) else []
