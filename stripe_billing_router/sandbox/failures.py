"""Refusals in the shape of Stripe's error objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .wire import Json


class StripeFailure(Exception):
    """A response with an `error` body.

    `executed` says whether execution had begun: only then does an idempotency key keep it.
    """

    def __init__(self, status: int, error: Json, *, executed: bool = False) -> None:
        super().__init__(error.get("message"))
        self.status = status
        self.error = with_documentation(error)
        self.executed = executed


def with_documentation(error: Json) -> Json:
    """Return `error` with the page about its code, where it has one."""
    code = error.get("code")
    if not code:
        return error
    page = f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"
    return {**error, "doc_url": page}


def error_object(message: str, type_: str = "invalid_request_error", **fields: Any) -> Json:
    """Return the inside of an error body; fields that are None are left out."""
    given = {name: value for name, value in fields.items() if value is not None}
    return {**given, "message": message, "type": type_}


def invalid(message: str, param: str | None = None, code: str | None = None) -> StripeFailure:
    """A 400 from checking the parameters, before anything was done."""
    return StripeFailure(400, error_object(message, param=param, code=code))


def missing_param(param: str) -> StripeFailure:
    """A 400 for a required parameter that is not there."""
    return invalid(f"Missing required param: {param}.", param, "parameter_missing")


def unknown_params(names: Sequence[str], suggestion: str | None) -> StripeFailure:
    """A 400 for parameters that the endpoint does not declare."""
    plural = "s" if len(names) > 1 else ""
    hint = f". Did you mean {suggestion}?" if suggestion and not plural else ""
    message = f"Received unknown parameter{plural}: {', '.join(names)}{hint}"
    return invalid(message, names[0], "parameter_unknown")


def no_such(noun: str, object_id: str, param: str | None = None) -> StripeFailure:
    """A 404 for an id in the path, a 400 for an id in the parameter `param`."""
    message = f"No such {noun}: '{object_id}'"
    in_path = "intent" if noun.endswith("intent") else "id"
    error = error_object(message, code="resource_missing", param=param or in_path)
    return StripeFailure(400 if param else 404, error)


def unrecognized_url(method: str, path: str) -> StripeFailure:
    """A 404 for a path that Stripe, or this sandbox, does not have."""
    return StripeFailure(404, error_object(f"Unrecognized request URL ({method}: {path})."))


def unexpected_state(code: str, message: str, **objects: Any) -> StripeFailure:
    """A 400 because of the state an object is in: execution had begun."""
    return StripeFailure(400, error_object(message, code=code, **objects), executed=True)


def refused(message: str, param: str | None = None, code: str | None = None) -> StripeFailure:
    """A 400 found while executing: kept under the idempotency key."""
    return StripeFailure(400, error_object(message, param=param, code=code), executed=True)


def forbidden(message: str, code: str | None = None) -> StripeFailure:
    """A 403."""
    return StripeFailure(403, error_object(message, code=code))


def card_error(**fields: Any) -> StripeFailure:
    """A 402: the payment method said no. Kept under the idempotency key."""
    message = fields.pop("message")
    return StripeFailure(402, error_object(message, "card_error", **fields), executed=True)
