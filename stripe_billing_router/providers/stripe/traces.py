"""What an operation has left at Stripe: it is found, or proven to be impossible from now on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...hashing import request_key
from ...models import Operation, Step, StepOutput
from ...ports import (
    Age,
    Escalated,
    KeyProvider,
    Keys,
    OutcomeInDoubt,
    Reply,
    Request,
    Transport,
)
from ..arguments import EXCLUDES
from .reading import Reader
from .replies import SENDABLE_FOR_MS
from .verbs import StripeVerb, misplaced, strange, stranger

_BEFORE_MS = 3600 * 1000
"""How long before its intent an object may seem to have been made: Stripe's clock is another."""

_FORGOTTEN_AFTER_MS = 25 * 3600 * 1000
"""When Stripe has forgotten the key for certain, and no sender can still be under way."""

_PAGE = 100

_ENOUGH = 1000
"""Minor units. Stripe refuses a payment intent below its minimum, and then no key is used up."""


class Traces:
    """Looks operations up, and excludes those that left nothing."""

    def __init__(self, reader: Reader, keys: KeyProvider, provider: Transport) -> None:
        self._reader = reader
        self._keys = keys
        self._provider = provider

    def left(
        self, operation: Operation, verb: StripeVerb, keys: Keys, age: Age
    ) -> StepOutput | None:
        """Return what the operation has left; None if there is nothing, and can be no more.

        What bears its id may be an earlier attempt's, which is over: where this is not the first
        one, its own key says whether it ran, as long as Stripe knows that.
        """
        first = operation.generation == 0 or age.most_ms > SENDABLE_FOR_MS
        found = self.found(operation, verb, keys) if first else None
        return self.excluded(operation, verb, keys, age) if found is None else found

    def found(
        self, operation: Operation, verb: StripeVerb, keys: Keys, *, proven: bool = True
    ) -> StepOutput | None:
        """Read every page of the list in which the operation's object would be.

        Escalated if what bears its id is not what it asked for; if the row is not `proven`, what
        it says that was asked for is no measure.
        """
        search = verb.search(operation)
        other = None
        for body in self._listed(search.path, search.params, operation, keys):
            if _named(body, "operation_id") == operation.operation_id:
                other = stranger(operation, body) if proven else None
                if other is None:
                    return StepOutput(search.name, 200, body)
        if other is not None:
            raise Escalated(f"what bears its id in Stripe is not what it asked for ({other})")
        return None

    def _listed(
        self, path: str, params: Mapping[str, Any], operation: Operation, keys: Keys
    ) -> Iterator[Mapping[str, Any]]:
        since = (operation.started_by_provider_ms - _BEFORE_MS) // 1000
        query = {**params, "created": {"gte": since}, "limit": _PAGE}
        while True:
            reply = self._reader.get(path, keys.secret_key, "list", query)
            if reply.status == 401:
                self._keys.refresh()
                raise OutcomeInDoubt
            if reply.status != 200:
                raise Escalated(f"Stripe refuses the look-up: {reply.note}")
            field = misplaced(query, reply.body["data"])
            if field is not None:
                raise Escalated(f"Stripe lists what was not asked for ({field})")
            yield from reply.body["data"]
            if not reply.body.get("has_more"):
                return
            query = {**query, "starting_after": reply.body["data"][-1]["id"]}

    def excluded(
        self, operation: Operation, verb: StripeVerb, keys: Keys, age: Age
    ) -> StepOutput | None:
        """Use the original's key up, so that it cannot happen any more; None if that is proven.

        Where Stripe answers that the key has been used, the original ran after all.
        """
        if age.least_ms > _FORGOTTEN_AFTER_MS:
            self._clear_exclusion(operation, keys)
            return None
        reply = self._provider.send(self._harmless(operation, verb, keys))
        if reply.kind == "answered" and reply.status == 200:
            if _named(reply.body, EXCLUDES) != _attempt(operation):
                raise OutcomeInDoubt
            self._take_back(str(reply.body["id"]), operation, keys)
            if age.most_ms > SENDABLE_FOR_MS:  # Stripe may have forgotten the key of an earlier one
                self._clear_exclusion(operation, keys)
            return None
        if _proves_use(reply):
            return self.found(operation, verb, keys) or self._replayed(operation, keys, age)
        if not self._clear_exclusion(operation, keys):
            raise OutcomeInDoubt
        return None

    def _clear_exclusion(self, operation: Operation, keys: Keys) -> bool:
        """Take back the harmless payments of exclusions that were broken off; False if there are
        none. If there is one, it has used the original's key up."""
        found = False
        for body in self._listed("/v1/payment_intents", _whose(operation), operation, keys):
            if _named(body, EXCLUDES) == _attempt(operation):
                self._take_back(str(body["id"]), operation, keys)
                found = True
        return found

    def _replayed(self, operation: Operation, keys: Keys, age: Age) -> StepOutput:
        """Return the stored answer to the original, such as a decline that left nothing behind.

        Its key is used up, as Stripe has just said, so that sending it again cannot execute it
        again: unless Stripe, by its own clock, is about to forget it.
        """
        step = operation.steps[0]
        if age.least_ms > SENDABLE_FOR_MS:
            raise Escalated("Stripe has executed it, yet does not show what came of it")
        reply = self._provider.send(self._first_request(operation, step, keys))
        if reply.kind != "answered" or not reply.replayed:
            raise OutcomeInDoubt
        if reply.status == 200 and strange(operation, step, step.path, step.params, reply.body):
            raise OutcomeInDoubt
        if (reply.status or 500) >= 500:
            raise Escalated("Stripe has executed it, and does not know what came of it")
        return StepOutput(step.name, reply.status or 0, reply.body, reply.request_id, True)

    def _first_request(self, operation: Operation, step: Step, keys: Keys) -> Request:
        return Request(
            step.method,
            step.path,
            step.params,
            keys.secret_key,
            operation.api_version,
            step.expects,
            request_key(operation.operation_id, step.name, operation.generation),
        )

    def _harmless(self, operation: Operation, verb: StripeVerb, keys: Keys) -> Request:
        """An unconfirmed payment intent collects nothing; its metadata says what it is for."""
        known = verb.moves == "in" and operation.amount_minor and operation.currency
        params: dict[str, Any] = {
            "amount": max(operation.amount_minor or 0, _ENOUGH) if known else _ENOUGH,
            "currency": operation.currency if known else "usd",
            "metadata": {EXCLUDES: _attempt(operation)},
            **_whose(operation),
        }
        return Request(
            "post",
            "/v1/payment_intents",
            params,
            keys.secret_key,
            operation.api_version,
            "payment_intent",
            request_key(operation.operation_id, operation.steps[0].name, operation.generation),
        )

    def _take_back(self, payment_id: str, operation: Operation, keys: Keys) -> None:
        reply = self._provider.send(
            Request(
                "post",
                f"/v1/payment_intents/{payment_id}/cancel",
                {},
                keys.secret_key,
                operation.api_version,
                "payment_intent",
            )
        )
        if reply.kind != "answered" or reply.status not in (200, 400):
            raise OutcomeInDoubt


def _named(body: Mapping[str, Any], name: str) -> object:
    metadata = body.get("metadata")
    return metadata.get(name) if isinstance(metadata, Mapping) else None


def _attempt(operation: Operation) -> str:
    """Return what an exclusion names: of an operation begun anew it excludes one attempt only."""
    again = f"-{operation.generation}" if operation.generation else ""
    return operation.operation_id + again


def _proves_use(reply: Reply) -> bool:
    """Say whether Stripe has executed another request under the key. A 409 says that one is under
    way: it may yet turn out not to have been executed."""
    error = reply.body.get("error")
    told = isinstance(error, Mapping) and error.get("type") == "idempotency_error"
    return told and reply.kind == "answered" and reply.status == 400


def _whose(operation: Operation) -> dict[str, Any]:
    """Return what narrows lists of payments down to the operation's customer."""
    return {} if operation.customer_id is None else {"customer": operation.customer_id}
