"""What spans and metrics say. Names are OpenTelemetry's own where it has some."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..ports import CallDetails, RequestDetails

Attributes = Mapping[str, str | int | bool]

_OURS = "stripe_billing_router."


def of_call(call: CallDetails) -> Attributes:
    """Return what a span says of a call: no amounts, for traces are read by many."""
    return _known(
        {
            _OURS + "verb": call.verb,
            _OURS + "bot.id": None if call.bot is None else str(call.bot),
            _OURS + "region": call.region,
            _OURS + "operation.id": call.operation_id,
            _OURS + "state": call.state,
            _OURS + "money": call.money,
            _OURS + "reason": call.reason,
            _OURS + "requests": call.requests,
            _OURS + "retries": call.retries,
            _OURS + "replayed": call.replayed,
            "error.type": call.error,
        }
    )


def of_request(request: RequestDetails) -> Attributes:
    """Return what a span says of a request."""
    return _known(
        {
            **counted_request(request),
            "server.address": request.host,
            "http.request.resend_count": request.attempt - 1 or None,
            _OURS + "step": request.step,
            _OURS + "replayed": request.replayed or None,
            _OURS + "stripe.request_id": request.request_id,
        }
    )


def counted_call(call: CallDetails) -> Attributes:
    """Return what metrics tell calls apart by: few values, and no bot's name."""
    return _known(
        {_OURS + "verb": call.verb, _OURS + "state": call.state, "error.type": call.error}
    )


def counted_request(request: RequestDetails) -> Attributes:
    """Return what metrics tell requests apart by."""
    return _known(
        {
            "http.request.method": request.method.upper(),
            "url.template": request.template,
            "http.response.status_code": request.status,
            "error.type": failed(request),
        }
    )


def counted(**values: object) -> Attributes:
    """Return attributes with names of ours."""
    return _known({_OURS + name: value for name, value in values.items()})


def failed(request: RequestDetails) -> str | None:
    """Return what went wrong with a request: the status, or how it came to have none."""
    if request.kind is None:
        return "interrupted"
    if request.kind != "answered":
        return request.kind
    return str(request.status) if (request.status or 0) >= 400 else None


def _known(values: Mapping[str, Any]) -> Attributes:
    return {name: value for name, value in values.items() if value is not None}
