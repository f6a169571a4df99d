"""What one attempt means for the payment: the rules of retry and doubt, as one pure function."""

from __future__ import annotations

from enum import Enum

from ..ports import Reply


class Verdict(Enum):
    """`SETTLED`: Stripe's definite answer. `AGAIN`: retry with the same key, nothing executed.
    `DOUBT`: retry with the same key, the effect may exist. `STOP`: the same, and no retry helps."""

    SETTLED = "settled"
    AGAIN = "again"
    DOUBT = "doubt"
    STOP = "stop"


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
