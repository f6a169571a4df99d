"""What an operation came to, as the error that its caller gets; the same error at each replay."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..errors import (
    BillingError,
    IdempotencyConflictError,
    Money,
    OutcomeUnknownError,
    PaymentActionRequiredError,
    PaymentDeclinedError,
    PolicyViolationError,
    RateLimitedError,
    StripeRequestError,
    StripeUnavailableError,
)
from ..models import Failure, Operation, OperationState, Outcome
from ..ports import Reply


def error_of(operation: Operation, public_key: str | None = None) -> BillingError:
    """Return the error of an operation that has failed or waits for its customer."""
    outcome = operation.outcome
    if outcome is None:
        return unknown(operation.operation_id, operation.idempotency_key, "It was interrupted.")
    if outcome.failure is None:
        return _canceled(operation, outcome, Failure("canceled", f"it is {outcome.status}"), None)
    return _BY_KIND[outcome.failure.kind](operation, outcome, outcome.failure, public_key)


def unknown(operation_id: str, idempotency_key: str | None, why: str) -> OutcomeUnknownError:
    """Return the error of an operation whose effect may exist."""
    how = "with the same idempotency_key" if idempotency_key else "only after it is resolved"
    return OutcomeUnknownError(
        f"{why} Operation {operation_id} may or may not have taken effect. Do not pay again under "
        f"another key; repeat the call {how}, or see `stripe-billing-router operations show "
        f"{operation_id}`.",
        operation_id=operation_id,
        money="unknown",
        idempotency_key=idempotency_key,
    )


def money_of(outcome: Outcome | None) -> Money:
    """Return what is known of the money of an operation that has come to `outcome`."""
    if outcome is None or (outcome.failure is not None and outcome.failure.kind == "conflict"):
        return "unknown"
    if outcome.paid:
        return "moved"
    return "unknown" if outcome.state is OperationState.PROCESSING else "not_moved"


def twin_in_doubt(operation_id: str, state: str, *, pays: bool) -> OutcomeUnknownError:
    """Return the error of a keyless call whose equal may be the same one; `pays`: it moves money
    if it succeeds."""
    if state not in (OperationState.SUCCEEDED, OperationState.PROCESSING):
        return unknown(operation_id, None, "An equal call without a key has not been settled.")
    return OutcomeUnknownError(
        f"An equal call without a key was interrupted, and has been found to be {state}: operation "
        f"{operation_id}. If this is that payment, it is made; if it is another one, give it an "
        "idempotency_key.",
        operation_id=operation_id,
        money="moved" if pays and state == OperationState.SUCCEEDED else "unknown",
    )


@contextmanager
def doubted(operation: Operation) -> Iterator[None]:
    """Let whatever goes wrong inside say that it is this operation, and that money may move."""
    try:
        yield
    except BillingError as error:
        if error.operation_id is None:
            error.operation_id, error.money = operation.operation_id, "unknown"
        raise


def failure_of_reply(reply: Reply) -> Failure:
    """Return why a request was surely not executed, as data."""
    kind = _KIND_OF_STATUS.get(reply.status or 0, "unreachable")
    return Failure(
        kind,
        reply.note or f"HTTP {reply.status}",
        http_status=reply.status,
        request_id=reply.request_id,
        retry_after=reply.retry_after,
    )


_KIND_OF_STATUS = {401: "key_refused", 403: "key_refused", 429: "rate_limited"}

_Maker = Callable[[Operation, Outcome, Failure, str | None], BillingError]


def _declined(op: Operation, outcome: Outcome, failure: Failure, _: str | None) -> BillingError:
    return PaymentDeclinedError(
        f"The payment was declined: {failure.message} Use another payment method, or try again "
        "later under a new idempotency_key.",
        operation_id=op.operation_id,
        code=failure.code,
        decline_code=failure.decline_code,
        stripe_id=outcome.stripe_id,
        request_id=failure.request_id,
    )


def _action_required(
    op: Operation, outcome: Outcome, failure: Failure, public_key: str | None
) -> BillingError:
    return PaymentActionRequiredError(
        f"The customer has to act: {failure.message}. Finish {outcome.stripe_id} in a front end "
        f"with client_secret, or take it back with cancel({op.operation_id!r}).",
        operation_id=op.operation_id,
        client_secret=outcome.body.get("client_secret"),
        public_key=public_key,
        stripe_id=outcome.stripe_id,
        status=outcome.status,
        next_action=outcome.body.get("next_action"),
    )


def _canceled(op: Operation, outcome: Outcome, failure: Failure, _: str | None) -> BillingError:
    return PaymentDeclinedError(
        f"It was not collected: {failure.message}. Call again under a new idempotency_key if it is "
        "still wanted.",
        operation_id=op.operation_id,
        code="canceled",
        stripe_id=outcome.stripe_id,
    )


def _refused(op: Operation, _o: Outcome, failure: Failure, _: str | None) -> BillingError:
    return StripeRequestError(
        f"Stripe refuses the request: {failure.message} (HTTP {failure.http_status}). Correct the "
        "route or the call, then call again under a new idempotency_key.",
        operation_id=op.operation_id,
        code=failure.code,
        parameter=failure.parameter,
        http_status=failure.http_status,
        request_id=failure.request_id,
    )


def _conflict(op: Operation, _o: Outcome, _f: Failure, _: str | None) -> BillingError:
    return IdempotencyConflictError(
        "Stripe has seen this idempotency key with other parameters, so an earlier operation of "
        "which this ledger knows nothing may have paid. Look it up in Stripe by the operation id "
        "in its metadata before you use a new key.",
        operation_id=op.operation_id,
        money="unknown",
        idempotency_key=op.idempotency_key,
    )


def _key_refused(op: Operation, _o: Outcome, failure: Failure, _: str | None) -> BillingError:
    return StripeRequestError(
        f"Stripe refuses the key (HTTP {failure.http_status}); nothing was executed. Replace the "
        "key or extend its permissions, then repeat the call.",
        operation_id=op.operation_id,
        http_status=failure.http_status,
        request_id=failure.request_id,
    )


def _rate_limited(op: Operation, _o: Outcome, failure: Failure, _: str | None) -> BillingError:
    return RateLimitedError(
        "Stripe asks to slow down; nothing was executed. Repeat the call in a while.",
        operation_id=op.operation_id,
        retry_after=failure.retry_after,
        request_id=failure.request_id,
    )


def _vetoed(op: Operation, _o: Outcome, failure: Failure, _: str | None) -> BillingError:
    return PolicyViolationError(
        f"A check stopped it before it was executed: {failure.message}",
        operation_id=op.operation_id,
    )


def _unreachable(op: Operation, _o: Outcome, failure: Failure, _: str | None) -> BillingError:
    return StripeUnavailableError(
        f"Stripe could not be reached ({failure.message}); nothing was executed. Check the network "
        "and https://status.stripe.com, then repeat the call.",
        operation_id=op.operation_id,
        http_status=failure.http_status,
        request_id=failure.request_id,
    )


_BY_KIND: dict[str, _Maker] = {
    "canceled": _canceled,
    "declined": _declined,
    "action_required": _action_required,
    "refused": _refused,
    "conflict": _conflict,
    "key_refused": _key_refused,
    "rate_limited": _rate_limited,
    "unreachable": _unreachable,
    "vetoed": _vetoed,
}
