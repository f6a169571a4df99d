"""Leases: how long they hold, who may take them over, and what a renewal keeps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from stripe_billing_router.engine import Leases
from stripe_billing_router.models import BotId, OpenOperation, Operation, OperationState, Step
from stripe_billing_router.ports import StaleLease
from stripe_billing_router.providers.stripe.replies import SENDABLE_FOR_MS
from stripe_billing_router.sandbox import VirtualClock
from stripe_billing_router.store import SqlStore

PENDING = frozenset({OperationState.PENDING})
LONGEST_SEND = 40.0


class Desk:
    """One operation in a store, and a clock."""

    def __init__(self, path: Path) -> None:
        path.touch()
        self.clock = VirtualClock()
        self.store = SqlStore(f"sqlite:///{path}", self.clock, account_id="acct_1", api_base="b")
        self.leases = Leases(self.store, self.clock, LONGEST_SEND, SENDABLE_FOR_MS)

    def open(self) -> str:
        lease = self.leases.new("op_1")
        opening = OpenOperation(BLANK, lease.token, self.leases.milliseconds, "somebody")
        self.store.commit(opening)
        return lease.token

    def stored(self) -> Operation:
        found = self.store.operation("op_1")
        assert found is not None
        return found


BLANK = Operation(
    operation_id="op_1",
    bot=BotId("stripe", "finance", "bot"),
    region="default",
    verb="charge",
    idempotency_key=None,
    input_hash="i",
    effect_hash="e",
    state=OperationState.PENDING,
    steps=(Step("payment_intent", "post", "/v1/payment_intents", {}, "payment_intent"),),
    api_version="v",
    account_id="acct_1",
    key_fingerprint="sha256:0",
    amount_minor=500,
    currency="usd",
    customer_id="cus_1",
    user_email=None,
    arguments={},
)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path / "ledger.db")
    yield made
    made.store.close()


def test_a_lease_outlives_the_longest_send_by_far(desk: Desk) -> None:
    assert desk.leases.seconds > LONGEST_SEND + 5
    lease = desk.leases.new("op_1")
    assert lease.left(desk.clock) == desk.leases.seconds


def test_a_lease_that_holds_long_enough_is_not_renewed(desk: Desk) -> None:
    token = desk.open()
    lease = replace(desk.leases.new("op_1"), token=token)
    desk.leases.ensure(lease)
    assert desk.stored().lease_token == token


def test_a_lease_that_would_run_out_while_sending_is_renewed_before(desk: Desk) -> None:
    token = desk.open()
    lease = replace(desk.leases.new("op_1"), token=token)
    desk.clock.advance(desk.leases.seconds - LONGEST_SEND)
    desk.leases.ensure(lease)
    assert lease.left(desk.clock) > LONGEST_SEND
    # The token stays, so that what a broken-off renewal leaves can be closed either way.
    assert desk.stored().lease_token == lease.token == token
    assert desk.stored().lease_until_ms > desk.clock.now_ms() + LONGEST_SEND * 1000


def test_a_lease_that_another_has_taken_is_stale(desk: Desk) -> None:
    token = desk.open()
    lease = replace(desk.leases.new("op_1"), token=token)
    desk.clock.advance(desk.leases.seconds + 1)
    desk.leases.take("op_1", token, PENDING)
    with pytest.raises(StaleLease):
        desk.leases.ensure(lease)


def test_a_lease_that_still_holds_is_not_taken(desk: Desk) -> None:
    token = desk.open()
    desk.clock.advance(desk.leases.seconds - 1)
    with pytest.raises(StaleLease):
        desk.leases.take("op_1", token, PENDING)


def test_nothing_is_taken_for_sending_when_its_key_may_be_forgotten(desk: Desk) -> None:
    token = desk.open()
    desk.clock.advance(SENDABLE_FOR_MS / 1000 + 1)
    with pytest.raises(StaleLease):
        desk.leases.take("op_1", token, PENDING)
    desk.leases.take("op_1", token, PENDING, to_send=False)


def test_a_lease_taken_for_recovery_stays_one_when_it_is_renewed(desk: Desk) -> None:
    """An equal keyless call waits for what is recovered, and not for what is under way."""
    token = desk.open()
    desk.clock.advance(desk.leases.seconds + 1)
    lease = desk.leases.take("op_1", token, PENDING, to_send=False)
    before = desk.stored().lease_owner
    desk.clock.advance(desk.leases.seconds - 1)
    desk.leases.ensure(lease)
    assert desk.stored().lease_owner == before


def test_a_renewal_of_a_recovery_is_not_refused_for_its_age(desk: Desk) -> None:
    token = desk.open()
    desk.clock.advance(SENDABLE_FOR_MS / 1000 + 1)
    lease = desk.leases.take("op_1", token, PENDING, to_send=False)
    desk.clock.advance(desk.leases.seconds - 1)
    desk.leases.ensure(lease)
    assert desk.stored().lease_token == lease.token
