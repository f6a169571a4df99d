"""What a verb is: it checks arguments, plans Stripe steps, and reads what came back."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol, TypeVar

from ....models import (
    BotId,
    Declared,
    Failure,
    Operation,
    OperationState,
    Outcome,
    ResolvedRoute,
    Result,
    Step,
    StepOutput,
)
from ....money import CURRENCIES
from .arguments import METADATA_NAMES, invalid

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """What a caller asked, checked and in plain JSON types; amounts are still in major units."""

    bot: BotId
    verb: str
    arguments: Mapping[str, Any]
    params: Mapping[str, Any]
    metadata: Mapping[str, str]
    overrides: Mapping[str, str]

    def asked(self) -> dict[str, Any]:
        """Return everything that makes two calls the same call."""
        return {
            "arguments": dict(self.arguments),
            "params": dict(self.params),
            "metadata": dict(self.metadata),
            "overrides": dict(self.overrides),
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """The frozen steps of an operation. A step that creates something has `metadata`.

    `amount_minor` is what is going to be collected, None where that cannot be known.
    """

    steps: tuple[Step, ...]
    amount_minor: int | None
    currency: str | None
    customer_id: str | None
    user_email: str | None = None

    def stamped(self, operation_id: str, bot: BotId) -> tuple[Step, ...]:
        """Return the steps with operation id and bot id in the metadata of all they create.

        They are copies in JSON types: what is stored and hashed is what is sent.
        """
        stamp = {"operation_id": operation_id, "bot_id": str(bot)}
        return tuple(_stamped(step, stamp) for step in self.steps)


_CREATED_LATER = ("payment_intent_data", "subscription_data")
"""Where a checkout session takes the metadata of what it will create."""


def _stamped(step: Step, stamp: Mapping[str, str]) -> Step:
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


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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


class Verb(Declared, ABC):
    """One money verb. `requests` are all that it ever sends: `{id}` stands for any Stripe id."""

    requests: ClassVar[tuple[str, ...]]

    @abstractmethod
    def check(
        self, arguments: Mapping[str, Any], params: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return arguments and `**params` in plain types, or raise InvalidRequestError."""

    @abstractmethod
    def plan(self, call: Call, route: ResolvedRoute, lookups: Lookups) -> Plan: ...

    @abstractmethod
    def proceed(self, operation: Operation) -> Step | Outcome:
        """Return the next request to send, or what the operation has come to."""

    @abstractmethod
    def search(self, operation: Operation) -> Search:
        """Return where Stripe lists what the operation's first step creates."""

    def wind_up(self, operation: Operation) -> Step | Outcome:
        """As `proceed`, but for an operation that is too old to be completed: nothing is collected
        any more, what is half-made is taken down, and what has happened is recorded."""
        return self.proceed(operation)

    @abstractmethod
    def refresh(self, operation: Operation) -> Step:
        """Return the request that reads the present state of an operation that waits."""

    def revisit(self, operation: Operation) -> Step | Outcome:
        """As `proceed`, for an operation that waited: its first output is what Stripe shows now."""
        return self.proceed(operation)

    def cancel(self, operation: Operation) -> Step | None:  # noqa: ARG002 - what never waits
        """Return the request that ends an operation that waits; None if none can."""
        return None

    def returns(self, operation: Operation) -> bool:  # noqa: ARG002 - of most verbs it is
        """Say whether a waiting operation is this caller's result, rather than an error."""
        return True

    @abstractmethod
    def result_type(self) -> type[Result]: ...


def output_of(operation: Operation, step: str) -> StepOutput | None:
    """Return what Stripe answered to the named step, if it has."""
    return next((output for output in operation.outputs if output.step == step), None)


def waiting_id(operation: Operation) -> str:
    """Return the Stripe id of an operation that waits."""
    outcome = operation.outcome
    if outcome is None or outcome.stripe_id is None:
        raise AssertionError("an operation that waits has an outcome with an id")
    return outcome.stripe_id


class UnreadableAnswer(Exception):
    """Stripe's answer lacks what it always has: it does not tell whether money moved."""


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
