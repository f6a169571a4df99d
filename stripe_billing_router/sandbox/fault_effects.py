"""What a fault makes of a request: before its execution, to what is stored, to what comes back."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final, get_args

from .clock import VirtualClock
from .failures import error_object
from .faults import Fault
from .idempotency import in_use
from .wire import HttpResponse, Json, WireFailure, WireFault

_STATUS: Final = {
    "server_error": 500,
    "unavailable": 503,
    "lock_timeout": 429,
    "key_in_use": 409,
    "rate_limited": 429,
    "proxy_page": 502,
}
_PAGE = b"<html><head><title>502 Bad Gateway</title></head><body>upstream error</body></html>"


def pause(fault: Fault, clock: VirtualClock) -> None:
    """Let the fault's time go by, and run its call if that comes before the effect."""
    if fault.seconds and fault.real_time:
        time.sleep(fault.seconds)
    elif fault.seconds:
        clock.advance(fault.seconds)
    if fault.call and not fault.effect:
        fault.call()


def error_of(fault: Fault, key: str | None) -> tuple[int, Json] | None:
    """Return status and error of the response that a fault puts in place, if it is Stripe's."""
    errors = {
        "server_error": error_object("An unknown error occurred.", "api_error"),
        "unavailable": error_object("Stripe is temporarily unavailable.", "api_error"),
        "lock_timeout": error_object(
            "This object cannot be accessed right now because another API request is accessing it.",
            code="lock_timeout",
        ),
        "key_in_use": in_use(key or "").error,
        "rate_limited": error_object("Request rate limit exceeded.", code="rate_limit"),
    }
    if fault.kind not in errors:
        return None
    return fault.status or _STATUS[fault.kind], errors[fault.kind]


def returned(fault: Fault, response: HttpResponse) -> HttpResponse:
    """Return what reaches the caller; WireFault if nothing does."""
    if fault.call and fault.effect:
        fault.call()
    if fault.kind in get_args(WireFailure):
        raise WireFault(fault.kind)  # type: ignore[arg-type]
    headers = {**response.headers, **_headers(fault)}
    if fault.kind == "proxy_page":
        return _page(fault)
    if fault.kind == "truncated":
        return HttpResponse(response.status, headers, response.body[: len(response.body) // 2])
    return HttpResponse(response.status, headers, response.body)


def _page(fault: Fault) -> HttpResponse:
    headers = {"Content-Type": "text/html", "Server": "proxy", **_headers(fault)}
    return HttpResponse(fault.status or _STATUS["proxy_page"], headers, _PAGE)


def _headers(fault: Fault) -> Mapping[str, str]:
    headers = dict(fault.headers)
    if fault.retry_after is not None:
        headers["Retry-After"] = f"{fault.retry_after:g}"
    if fault.reason is not None:
        headers["Stripe-Rate-Limited-Reason"] = fault.reason
    should_retry = True if fault.kind == "lock_timeout" else None
    should_retry = should_retry if fault.should_retry is None else fault.should_retry
    if should_retry is not None:
        headers["Stripe-Should-Retry"] = str(should_retry).lower()
    return headers
