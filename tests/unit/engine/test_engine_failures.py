"""Whatever an operation came to, its caller gets the error that fits, each time the same."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import stripe_billing_router
from stripe_billing_router.engine.failures import error_of, failure_of_reply, unknown
from stripe_billing_router.errors import (
    BillingError,
    IdempotencyConflictError,
    OutcomeUnknownError,
    PaymentActionRequiredError,
    PaymentDeclinedError,
    RateLimitedError,
    StripeRequestError,
    StripeUnavailableError,
)
from stripe_billing_router.models import (
    BotId,
    Failure,
    Operation,
    OperationState,
    Outcome,
    Step,
)
from stripe_billing_router.ports import Reply

EXPECTED: dict[str, type[BillingError]] = {
    "declined": PaymentDeclinedError,
    "canceled": PaymentDeclinedError,
    "action_required": PaymentActionRequiredError,
    "refused": StripeRequestError,
    "conflict": IdempotencyConflictError,
    "key_refused": StripeRequestError,
    "rate_limited": RateLimitedError,
    "unreachable": StripeUnavailableError,
    "vetoed": BillingError,
}
NOT_MOVED = set(EXPECTED) - {"conflict"}


def operation(state: OperationState, failure: Failure | None) -> Operation:
    outcome = Outcome(state, "pi_1", "canceled", 0, "usd", False, {"id": "pi_1"}, failure)
    return Operation(
        operation_id="op_1",
        bot=BotId("stripe", "finance", "bot"),
        region="default",
        verb="charge",
        idempotency_key="k",
        input_hash="i",
        effect_hash="e",
        state=state,
        steps=(Step("payment_intent", "post", "/v1/payment_intents", {}, "payment_intent"),),
        api_version="v",
        account_id="acct_1",
        key_fingerprint="sha256:0",
        amount_minor=500,
        currency="usd",
        customer_id="cus_1",
        user_email=None,
        arguments={},
        outcome=outcome,
    )


def kinds_in_the_code() -> set[str]:
    """Every literal that is passed as the kind of a Failure."""
    found = set()
    for path in Path(stripe_billing_router.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            place = {"Failure": 0, "failure_of": 1}.get(name)
            if place is None or len(node.args) <= place:
                continue
            found |= {
                leaf.value
                for leaf in ast.walk(node.args[place])
                if isinstance(leaf, ast.Constant) and isinstance(leaf.value, str)
            }
    return found


def test_every_kind_of_failure_that_the_code_makes_is_known() -> None:
    assert kinds_in_the_code() <= set(EXPECTED)


@pytest.mark.parametrize("kind", EXPECTED)
def test_every_kind_of_failure_has_its_error(kind: str) -> None:
    failure = Failure(kind, "No.", "code", "decline", "param", 400, "req_1")
    error = error_of(operation(OperationState.FAILED, failure))
    assert isinstance(error, EXPECTED[kind])
    assert error.operation_id == "op_1"
    assert error.money == ("not_moved" if kind in NOT_MOVED else "unknown")
    assert str(error).endswith(".")


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (Reply("not_sent", note="refused"), StripeUnavailableError),
        (Reply("answered", 429, retry_after=7.0), RateLimitedError),
        (Reply("answered", 401), StripeRequestError),
        (Reply("answered", 403), StripeRequestError),
        (Reply("answered", 400), StripeUnavailableError),
    ],
)
def test_what_was_not_executed_says_why(reply: Reply, expected: type[BillingError]) -> None:
    failure = failure_of_reply(reply)
    error = error_of(operation(OperationState.ABANDONED, failure))
    assert type(error) is expected
    assert error.money == "not_moved"
    assert getattr(error, "retry_after", None) == reply.retry_after


def test_without_an_outcome_nothing_is_claimed() -> None:
    from dataclasses import replace

    interrupted = replace(operation(OperationState.UNKNOWN, None), outcome=None)
    error = error_of(interrupted)
    assert isinstance(error, OutcomeUnknownError)
    assert error.money == "unknown"


@pytest.mark.parametrize("key", ["k", None])
def test_a_doubt_names_the_operation_and_says_what_not_to_do(key: str | None) -> None:
    error = unknown("op_1", key, "The line broke.")
    assert "op_1" in str(error)
    assert "Do not pay again" in str(error)
    assert (error.operation_id, error.idempotency_key, error.money) == ("op_1", key, "unknown")
