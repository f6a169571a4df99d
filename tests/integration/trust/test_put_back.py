"""Rows that were put back to an earlier state, and questions that were changed: what has been sent
is not planned anew, and nobody has approved what they were not shown."""

from __future__ import annotations

from typing import Any

import pytest

from stripe_billing_router.client import operators_desk
from stripe_billing_router.errors import (
    ApprovalRequiredError,
    BillingError,
    OutcomeUnknownError,
)
from stripe_billing_router.models import Policies, PolicyRule
from tests.integration.charge.charge_bench import BOT, CARD, CREATE
from tests.integration.trust.forging import STOLEN, Forger

LATER = 26 * 3600
"""Seconds after which Stripe has forgotten the request's key."""

NOTHING = {
    "outcome": None,
    "outcome_seal": None,
    "outputs": "[]",
    "outputs_seal": None,
    "lease_token": None,
    "lease_until_ms": 0,
}


@pytest.mark.parametrize("reached", ["processing", "unknown", "succeeded"])
def test_what_was_sent_does_not_wait_for_an_approval_again(forger: Forger, reached: str) -> None:
    """The same key would be planned and sent once more, long after Stripe forgot it."""
    world = forger.bench.world
    if reached == "processing":
        world.set_outcome(CARD, "processing")
    if reached == "unknown":
        forger.bench.fault("cut", match=CREATE, times=None, effect=True)
    try:
        forger.router().charge(BOT, 5, idempotency_key="k")
    except OutcomeUnknownError:
        assert reached == "unknown"
    forger.change(forger.keyed_id(), state="awaiting_approval", **NOTHING)
    is_collected_once(forger)


def test_what_was_sent_is_not_what_was_abandoned_before_it(forger: Forger) -> None:
    """What the first attempt came to is no outcome of the second."""
    first, _ = tried_twice(forger)
    told = {name: first[name] for name in ("outcome", "outcome_seal")}
    forger.change(forger.keyed_id(), **{**NOTHING, **told, "state": "abandoned"})
    is_collected_once(forger)


def test_the_whole_row_of_an_earlier_attempt_does_not_come_back(forger: Forger) -> None:
    """Its seals hold; the ledger tells of what came later."""
    first, _ = tried_twice(forger)
    forger.change(first.pop("operation_id"), **first)
    is_collected_once(forger)


def test_what_was_abandoned_is_tried_again(forger: Forger) -> None:
    _, second = tried_twice(forger)
    assert second["state"] == "processing"
    assert second["generation"] == 0


def test_what_waits_for_a_person_is_not_sent_because_its_row_says_pending(forger: Forger) -> None:
    """Recovery completes what is pending; nobody has approved this."""
    rules = Policies((PolicyRule("large", approval_above={"usd": 400}),))
    with pytest.raises(ApprovalRequiredError):
        forger.router(policies=rules).charge(BOT, 5, idempotency_key="k")
    forger.change(forger.keyed_id(), state="pending", lease_token="x", lease_until_ms=0)
    forger.nothing_is_sent()


@pytest.mark.parametrize(
    ("shown", "value"), [("verb", "refund"), ("customer_id", "cus_x"), ("bot_id", "finance:other")]
)
def test_an_approval_of_something_else_does_not_serve(
    forger: Forger, shown: str, value: str
) -> None:
    """The effect's hash says nothing to people; what they were shown is what they approved."""
    rules = Policies((PolicyRule("large", approval_above={"usd": 400}),))
    with pytest.raises(ApprovalRequiredError):
        forger.router(policies=rules).charge(BOT, 5, idempotency_key="k")
    forger.run(f"UPDATE stripe_approvals SET {shown} = :value", {"value": value})
    router = forger.router(policies=rules)
    (asked,) = router.store.approvals()
    operators_desk(router).approve(asked.approval_id, by="ann")
    with pytest.raises(ApprovalRequiredError) as caught:
        forger.router(policies=rules).charge(BOT, 5, idempotency_key="k")
    assert caught.value.approval_id != asked.approval_id
    assert forger.bench.moved() == []


VANISHES = """CREATE TRIGGER vanishes AFTER UPDATE OF lease_owner ON stripe_operations
WHEN new.lease_owner LIKE 'recovery:%'
BEGIN DELETE FROM stripe_operations WHERE operation_id = new.operation_id; END"""


@pytest.mark.parametrize("bench", ["sqlite_bench"], indirect=True)
def test_a_plan_whose_row_vanishes_under_recovery_is_not_sealed_anew(forger: Forger) -> None:
    """It would come back as a key-holder's, to be sent when its turn comes."""
    forger.bench.fault("cut", match=CREATE, times=None, effect=True)
    with pytest.raises(OutcomeUnknownError):
        forger.router().charge(BOT, 5, idempotency_key="k")
    forger.bench.world.faults.clear()
    forger.bench.world.requests.clear()
    (row,) = forger.rows()
    forger.change(row["operation_id"], steps=forger.changed(row, amount=STOLEN))
    forger.run(VANISHES, {})
    forger.recover()
    assert forger.rows() == []
    assert [r for r in forger.bench.world.requests if r.method != "GET"] == []
    told = [event.name for event in forger.told.events]
    assert "operation.unrecorded" in told
    assert "ledger.intent_lost" not in told


def tried_twice(forger: Forger) -> tuple[dict[str, Any], dict[str, Any]]:
    """The row of an attempt that never reached Stripe, and that of one which a bank is at."""
    forger.bench.fault("refused", match=CREATE, times=None)
    with pytest.raises(BillingError) as caught:
        forger.router().charge(BOT, 5, idempotency_key="k")
    assert caught.value.money == "not_moved"
    (first,) = forger.rows()
    forger.bench.world.faults.clear()
    forger.bench.world.set_outcome(CARD, "processing")
    assert forger.router().charge(BOT, 5, idempotency_key="k").state == "processing"
    (second,) = forger.rows()
    return first, second


def is_collected_once(forger: Forger) -> None:
    world = forger.bench.world
    world.faults.clear()
    world.advance(LATER)
    world.set_outcome(CARD, "succeeds")
    forger.recover()
    forger.call_is_refused()
    sent = [p for p in world.objects("payment_intent") if p["status"] != "canceled"]
    assert len(sent) == 1
    forger.people_are_told(forger.keyed_id())
