"""Which state may follow which, as the store enforces it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from stripe_billing_router.engine import SystemClock
from stripe_billing_router.models import (
    HAPPENED,
    NEXT_STATES,
    BotId,
    CloseOperation,
    OpenOperation,
    Operation,
    OperationState,
    Step,
)
from stripe_billing_router.ports import StaleLease
from stripe_billing_router.store import SqlStore

S = OperationState
FINAL = (S.SUCCEEDED, S.FAILED, S.CANCELED)
STEP = Step("payment_intent", "post", "/v1/payment_intents", {}, "payment_intent")
BLANK = Operation(
    operation_id="op",
    bot=BotId("stripe", "finance", "bot"),
    region="default",
    verb="charge",
    idempotency_key="k",
    input_hash="i",
    effect_hash="e",
    state=S.PENDING,
    steps=(STEP,),
    api_version="v",
    account_id="acct_1",
    key_fingerprint="sha256:0",
    amount_minor=500,
    currency="usd",
    customer_id="cus_1",
    user_email=None,
    arguments={},
)


@pytest.fixture(scope="module")
def in_state(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[S], tuple[SqlStore, str]]]:
    """Make an operation that stands in the given state, and that nobody holds."""
    path: Path = tmp_path_factory.mktemp("states") / "ledger.db"
    path.touch()
    store = SqlStore(f"sqlite:///{path}", SystemClock(), account_id="acct_1", api_base="b")
    made: list[str] = []

    def make(state: S) -> tuple[SqlStore, str]:
        name = f"op_{len(made)}"
        made.append(name)
        store.commit(OpenOperation(replace(BLANK, operation_id=name), "t", 1000, ""))
        with closing(sqlite3.connect(path)) as direct:
            change = "UPDATE stripe_operations SET state=?, lease_token=NULL WHERE operation_id=?"
            direct.execute(change, (str(state), name))
            direct.commit()
        return store, name

    yield make
    store.close()


@pytest.mark.parametrize(("before", "after"), list(product(S, S)), ids=lambda s: str(s))
def test_a_state_is_followed_by_those_it_may_be_followed_by(
    in_state: Callable[[S], tuple[SqlStore, str]], before: S, after: S
) -> None:
    """`unknown` of what has happened says that its caller has not heard of it; the state stays."""
    store, name = in_state(before)
    close = CloseOperation(name, None, after, None)
    if after in NEXT_STATES[before] or (after is S.UNKNOWN and before in HAPPENED):
        store.commit(close)
    else:
        with pytest.raises(StaleLease):
            store.commit(close)
    found = store.operation(name)
    assert found is not None
    assert found.state is (after if after in NEXT_STATES[before] else before)


def test_every_state_has_its_followers() -> None:
    assert set(NEXT_STATES) == set(S)


@pytest.mark.parametrize("state", FINAL)
def test_what_is_final_stays(state: S) -> None:
    assert NEXT_STATES[state] == frozenset()


def test_what_has_begun_may_come_to_anything_but_approval() -> None:
    assert NEXT_STATES[S.PENDING] == set(S) - {S.PENDING, S.AWAITING_APPROVAL}
    assert {*FINAL, S.PROCESSING, S.REQUIRES_ACTION, S.ABANDONED} <= NEXT_STATES[S.UNKNOWN]


def test_what_waits_does_not_fall_back_into_doubt() -> None:
    for state in (S.PROCESSING, S.REQUIRES_ACTION):
        assert set(FINAL) <= NEXT_STATES[state]
        assert not NEXT_STATES[state] & {S.PENDING, S.UNKNOWN, S.ABANDONED}


def test_what_was_abandoned_is_asked_for_again_or_proven() -> None:
    assert NEXT_STATES[S.ABANDONED] == {S.PENDING, S.SUCCEEDED}


def test_nothing_goes_back_to_waiting_for_approval() -> None:
    assert not any(S.AWAITING_APPROVAL in after for after in NEXT_STATES.values())
