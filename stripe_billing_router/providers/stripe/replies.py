"""What the SDK gives or raises, as a Reply, and what that means for the payment.

Nothing of an exception that holds a key survives.
"""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any

import requests
import stripe
import urllib3

from ...ports import Reply, Verdict
from ...redaction import redact
from .transport import BrokenOff

# Not `requests`' ProxyError: a proxy's connection that breaks off under a request is one as well.
_NO_CONNECTION = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    requests.exceptions.ConnectTimeout,
    ssl.SSLCertVerificationError,
    ConnectionRefusedError,
    socket.gaierror,
)


def from_response(response: Any, expects: str) -> Reply:
    """Return the reply of a 2xx: answered, if its body is the object that was asked for."""
    headers = response.headers
    body = response.data
    if not isinstance(body, dict) or body.get("object") != expects:
        return _reply("indeterminate", response.code, {}, headers, "an answer that is not Stripe's")
    return _reply("answered", response.code, body, headers)


def from_error(error: stripe.StripeError) -> Reply:
    """Return the reply of a status that is not 2xx, or of a body that cannot be read."""
    body = error.json_body
    status = error.http_status
    told = body.get("error") if isinstance(body, dict) else None
    if not isinstance(told, dict) or not _is_stripes(status or 0, told, _lower(error.headers)):
        note = f"HTTP {status}, and an answer that is not Stripe's"
        return _reply("indeterminate", status, {}, error.headers, note)
    note = f"HTTP {status}: {redact(str(told.get('message', '')))}"
    return _reply("answered", status, {"error": told}, error.headers, note)


def _is_stripes(status: int, told: Mapping[str, Any], headers: Mapping[str, str]) -> bool:
    """Tell whether a refusal is Stripe's own, and not that of a proxy on the way.

    Stripe numbers every request but those of a key that it does not know.
    """
    if "request-id" in headers:
        return status >= 400
    known = told.get("type") == "invalid_request_error" and isinstance(told.get("message"), str)
    return status == 401 and known and "Stripe" in headers.get("www-authenticate", "Stripe")


def from_exception(error: Exception) -> Reply:
    """Return the reply of an attempt that broke off: was a connection made at all?"""
    if isinstance(error, BrokenOff):
        return _broken_off(error.reason, sent=error.sent)
    causes = _causes(error)
    # Anything else may come from the host, a filter of its log for one, with Stripe's answer there.
    if isinstance(error, stripe.APIConnectionError):
        for cause in causes:
            if isinstance(cause, _NO_CONNECTION):
                return _broken_off(type(cause).__name__, sent=False)
    return _broken_off(type(causes[-1]).__name__, sent=True)


def _broken_off(why: str, *, sent: bool) -> Reply:
    if sent:
        return Reply("indeterminate", note=f"the connection broke ({why})")
    return Reply("not_sent", note=f"no connection ({why})")


def _causes(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    queue: list[Any] = [error]
    while queue and len(found) < 20:
        current = queue.pop(0)
        if isinstance(current, BaseException) and current not in found:
            found.append(current)
            # Not the context: a bot may charge while it handles an error of its own.
            queue += [current.__cause__, *current.args]
            queue.append(getattr(current, "reason", None))
    return found


def _reply(
    kind: Any, status: int | None, body: Mapping[str, Any], headers: Any, note: str = ""
) -> Reply:
    known = _lower(headers)
    if not _can_be_kept(body):
        kind, body, note = "indeterminate", {}, "an answer with NaN or an infinite number"
    # It is said of the answer: one that did not arrive as it was sent is asked for again.
    should = known.get("stripe-should-retry") if kind == "answered" else None
    return Reply(
        kind,
        status,
        body,
        note,
        known.get("request-id"),
        known.get("idempotent-replayed") == "true",
        None if should is None else should == "true",
        _seconds(known.get("retry-after")),
        _date_ms(known.get("date")),
    )


def _can_be_kept(body: Mapping[str, Any]) -> bool:
    """Tell if an answer is JSON: the SDK also reads NaN and infinities, which no store takes."""
    try:
        json.dumps(body, allow_nan=False)
    except (ValueError, RecursionError):
        return False
    return True


def _lower(headers: Any) -> dict[str, str]:
    return {str(name).lower(): str(value) for name, value in (headers or {}).items()}


def _seconds(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else None
    except ValueError:
        return None
    return value if value is not None and 0 <= value < 3600 else None


@lru_cache(maxsize=16)  # it changes once in a second
def _date_ms(text: str | None) -> int | None:
    try:
        return int(parsedate_to_datetime(text).timestamp() * 1000) if text else None
    except (ValueError, OverflowError):
        return None


def verdict(reply: Reply, *, in_doubt: bool) -> Verdict:
    """Judge a reply. `in_doubt` says that an earlier attempt may have had its effect.

    In doubt, only an answer about this very payment counts: a success, a replay of the first
    answer, a decline, or a refusal that a payment that had happened could not have met.
    """
    if reply.kind == "not_sent":
        return Verdict.AGAIN
    if reply.kind == "indeterminate":
        return Verdict.DOUBT
    status = reply.status or 0
    if 200 <= status < 300:
        return Verdict.SETTLED
    if status >= 500:
        return Verdict.STOP if reply.replayed else Verdict.DOUBT
    if reply.replayed:
        return Verdict.SETTLED
    return _refusal(reply, status, in_doubt)


def _refusal(reply: Reply, status: int, in_doubt: bool) -> Verdict:
    if status == 409:
        return Verdict.DOUBT  # the key is in use, or a lock: something like this call is running
    if status == 429 or (reply.should_retry and status != 402):  # a decline was executed
        return Verdict.DOUBT if in_doubt else Verdict.AGAIN
    if in_doubt and (status in (401, 403) or _error(reply, "type") == "idempotency_error"):
        return Verdict.STOP
    return Verdict.SETTLED


def _error(reply: Reply, name: str) -> object:
    error = reply.body.get("error")
    return error.get(name) if isinstance(error, dict) else None


SENDABLE_FOR_MS = 23 * 3600 * 1000
"""Stripe may forget an idempotency key after 24 hours; nothing is sent again so late."""
