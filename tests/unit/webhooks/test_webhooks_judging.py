"""What events mean, as pure functions: over every state, in every order."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from stripe_billing_router.models import (
    NEXT_STATES,
    BotId,
    InboxEvent,
    InboxState,
    Operation,
    OperationState,
    Outcome,
    Step,
)
from stripe_billing_router.providers.stripe.verbs import VERBS
from stripe_billing_router.webhooks import facts
from stripe_billing_router.webhooks.judging import (
    IN_DOUBT,
    WAITS,
    Look,
    Nothing,
    Proven,
    Wait,
    judge,
    weigh,
)

VERSION = "2026-10-28.endive"
S = OperationState


def operation(state: OperationState, **changes: Any) -> Operation:
    made: dict[str, Any] = {
        "operation_id": "op_1",
        "bot": BotId("stripe", "finance", "bot"),
        "region": "default",
        "verb": "charge",
        "idempotency_key": None,
        "input_hash": "",
        "effect_hash": "",
        "state": state,
        "steps": (Step("payment_intent", "post", "/v1/payment_intents", {}, "payment_intent"),),
        "api_version": VERSION,
        "account_id": "acct_1",
        "key_fingerprint": "",
        "amount_minor": 500,
        "currency": "usd",
        "customer_id": "cus_1",
        "user_email": None,
        "arguments": {"on_session": False},
    }
    return Operation(**{**made, **changes})


def outcome(state: OperationState, paid: bool = False) -> Outcome:
    return Outcome(state, "pi_1", str(state), 500 if paid else 0, "usd", paid, {})


def event(type_: str = "payment_intent.succeeded", **body: Any) -> InboxEvent:
    obj = {
        "id": "pi_1",
        "object": "payment_intent",
        "status": "succeeded",
        "amount_received": 500,
        "currency": "usd",
        **body,
    }
    plain = {"object": "event", "data": {"object": obj}}
    return InboxEvent("evt_1", type_, 0, VERSION, obj["id"], "op_1", plain)


@pytest.mark.parametrize(("now", "told"), list(itertools.product(sorted(WAITS), S)), ids=str)
def test_a_waiting_operation_only_moves_as_the_states_allow(now: S, told: S) -> None:
    found = weigh(operation(now), outcome(told, paid=told is S.SUCCEEDED))
    assert isinstance(found, Proven) == (told in NEXT_STATES[now])
    if told is now:
        assert found == Nothing(InboxState.PROCESSED)
    elif told not in NEXT_STATES[now]:
        assert found == Nothing(InboxState.SUPERSEDED)


@pytest.mark.parametrize(("now", "told"), list(itertools.product(sorted(IN_DOUBT), S)), ids=str)
def test_a_doubt_ends_with_proof_of_success_alone(now: S, told: S) -> None:
    found = weigh(operation(now), outcome(told, paid=told is S.SUCCEEDED))
    assert isinstance(found, Proven) == (told is S.SUCCEEDED)
    if now is not S.ABANDONED and told is not S.SUCCEEDED:
        assert isinstance(found, Wait)


def test_an_invoice_paid_with_nothing_on_it_proves_nothing() -> None:
    emptied = outcome(S.SUCCEEDED, paid=False)
    assert isinstance(weigh(operation(S.UNKNOWN), emptied), Wait)
    assert isinstance(weigh(operation(S.UNKNOWN, amount_minor=None), emptied), Proven)


def test_what_cannot_be_read_is_looked_up() -> None:
    waiting = operation(S.PROCESSING)
    assert isinstance(judge(event(), waiting, CHARGE, VERSION), Proven)
    assert isinstance(judge(event(), waiting, CHARGE, "2027-01-01.other"), Look)
    assert isinstance(judge(event(amount_received="five"), waiting, CHARGE, VERSION), Look)
    assert isinstance(judge(event(status=["succeeded"]), waiting, CHARGE, VERSION), Look)
    assert isinstance(judge(event(currency="xxx"), waiting, CHARGE, VERSION), Look)


def test_a_refused_payment_is_looked_up_before_it_is_taken_down() -> None:
    error = {"code": "card_declined", "type": "card_error"}
    refused = event(status="requires_payment_method", last_payment_error=error)
    assert isinstance(judge(refused, operation(S.PROCESSING), CHARGE, VERSION), Look)


CHARGE = VERBS["charge"]
REFUND = {"id": "re_1", "object": "refund", "amount": 200, "currency": "usd"}


@pytest.mark.parametrize(
    "order", list(itertools.permutations(["pending", "succeeded", "failed"])), ids=str
)
def test_a_refund_past_the_router_sums_to_what_it_holds(order: tuple[str, ...]) -> None:
    seen: frozenset[str] = frozenset()
    total = 0
    for status in (*order, *order):
        found = facts.bypassing_refund(event("refund.updated", **REFUND, status=status), seen)
        if isinstance(found, facts.Fact):
            seen, total = seen | {found.name}, total + found.amount_minor
    assert total == 0


DISPUTE = {"id": "dp_1", "object": "dispute", "amount": 700, "currency": "usd"}
STEPS = {
    "charge.dispute.created": "needs_response",
    "charge.dispute.funds_withdrawn": "needs_response",
    "charge.dispute.funds_reinstated": "won",
    "charge.dispute.closed": "won",
    "charge.dispute.updated": "under_review",
}


@pytest.mark.parametrize("order", list(itertools.permutations(STEPS)), ids=lambda order: "")
def test_a_dispute_sums_to_what_it_holds(order: tuple[str, ...]) -> None:
    seen: frozenset[str] = frozenset()
    total, sums = 0, set()
    for type_ in (*order, *order):
        found = facts.dispute(event(type_, **DISPUTE, status=STEPS[type_]), seen)
        if isinstance(found, facts.Fact):
            seen, total = seen | {found.name}, total + found.amount_minor
            sums.add(total)
    assert total == 0
    assert seen == {"opened", "withdrawn", "reinstated", "won"}


@pytest.mark.parametrize("state", [S.SUCCEEDED, S.FAILED, S.CANCELED])
def test_an_operation_at_its_end_stays_there(state: S) -> None:
    for told in S:
        unpaid = outcome(told)
        found = facts.after_the_end(event(), operation(state), CHARGE, unpaid, frozenset())
        same = told is state
        assert found is (InboxState.PROCESSED if same else InboxState.SUPERSEDED)


def test_a_payment_that_succeeds_after_its_end_is_an_anomaly_once() -> None:
    paid = outcome(S.SUCCEEDED, paid=True)
    found = facts.after_the_end(event(), operation(S.CANCELED), CHARGE, paid, frozenset())
    assert isinstance(found, facts.Fact)
    assert (found.action_type, found.amount_minor, found.severity) == ("anomaly", 500, "critical")
    again = facts.after_the_end(
        event(), operation(S.CANCELED), CHARGE, paid, frozenset({found.name})
    )
    assert again is InboxState.PROCESSED
