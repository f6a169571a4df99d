"""What happens to money is told in the transaction in which it is written down."""

from __future__ import annotations

import threading
from dataclasses import asdict

import pytest

from stripe_billing_router.models import (
    BillingEvent,
    CloseOperation,
    OperationState,
    Outcome,
    TakeLease,
)
from stripe_billing_router.ports import StaleLease
from stripe_billing_router.providers.stripe.verbs import VERBS
from stripe_billing_router.store import SqlStore
from stripe_billing_router.store.outbox import name_of
from tests.integration.outbox.outbox_bench import entry, store_at
from tests.integration.store.test_store_contract import opening, operation

BOT = "finance:bot"


def closing(state: OperationState, token: str | None = "t1") -> CloseOperation:
    outcome = None
    if state is not OperationState.UNKNOWN:
        outcome = Outcome(state, "pi_1", "succeeded", 1999, "usd", True, {"id": "pi_1"})
    return CloseOperation("op_1", token, state, outcome)


def test_an_entry_is_an_event(store: SqlStore) -> None:
    store.commit(entry(BOT, 5))
    [event] = store.outbox.history(BOT)
    assert event == BillingEvent(
        id=event.id,
        name="operation.succeeded",
        bot_id=BOT,
        sequence=1,
        at_ms=1005,
        action="charge",
        operation_id="op_finance:bot_5",
        stripe_id="pi_5",
        amount_minor=5,
        currency="usd",
        error=False,
    )
    assert event.id.startswith("bev_")


def test_an_event_holds_no_personal_data(store: SqlStore) -> None:
    store.commit(entry(BOT))
    assert "example.com" not in str(asdict(store.outbox.history(BOT)[0]))


def test_what_is_rolled_back_is_not_told(store: SqlStore) -> None:
    store.commit(entry(BOT, 1))
    with pytest.raises(StaleLease):
        store.commit(entry(BOT, 2), closing(OperationState.SUCCEEDED))
    store.commit(entry(BOT, 3))
    assert [(e.sequence, e.amount_minor) for e in store.outbox.history(BOT)] == [(1, 1), (2, 3)]


def test_doubt_is_told_and_then_what_it_came_to(store: SqlStore) -> None:
    store.commit(opening(operation()))
    store.commit(closing(OperationState.UNKNOWN))
    assert store.ledger.verify().ok
    store.commit(closing(OperationState.SUCCEEDED, None), entry(BOT, 1, operation_id="op_1"))
    doubt, known = store.outbox.history(BOT)
    assert (doubt.name, doubt.operation_id, doubt.stripe_id) == ("operation.unknown", "op_1", None)
    assert (doubt.action, doubt.amount_minor, doubt.currency) == ("charge", 1999, "usd")
    assert (known.name, known.operation_id, known.sequence) == ("operation.succeeded", "op_1", 2)
    assert store.ledger.verify().ok


def test_a_doubt_that_lasts_is_told_once(store: SqlStore) -> None:
    doubtful = frozenset({OperationState.UNKNOWN})
    store.commit(opening(operation()))
    store.commit(closing(OperationState.UNKNOWN))
    for _ in range(3):
        store.commit(TakeLease("op_1", None, doubtful, "t2", 60_000, "owner", None, by_force=True))
        store.commit(closing(OperationState.UNKNOWN, "t2"))
    store.commit(entry(BOT))
    assert [e.name for e in store.outbox.history(BOT)] == [
        "operation.unknown",
        "operation.succeeded",
    ]


def test_a_doubt_that_is_not_recorded_is_not_told(store: SqlStore) -> None:
    store.commit(opening(operation()))
    with pytest.raises(StaleLease):
        store.commit(closing(OperationState.UNKNOWN, "another's"))
    assert store.outbox.history(BOT) == []


def test_a_ledger_of_which_a_head_alone_is_left_does_not_verify(store: SqlStore) -> None:
    store.commit(opening(operation()), entry(BOT))
    store.commit(closing(OperationState.UNKNOWN))
    heads = store.ledger.heads()
    assert store.ledger.verify(heads).ok
    assert heads.streams[BOT][0] == 1


def test_what_belongs_to_no_bot_has_an_order_of_its_own(store: SqlStore) -> None:
    store.commit(entry(None, 1, operation_id=None, action_type="anomaly", status=None, error=True))
    store.commit(entry(BOT))
    [event] = store.outbox.history(None)
    assert (event.bot_id, event.sequence, event.name) == (None, 1, "anomaly.recorded")
    assert event.error


def test_history_comes_in_pages(store: SqlStore) -> None:
    store.commit(*(entry(BOT, number) for number in range(1, 8)))
    pages, after = [], 0
    while page := store.outbox.history(BOT, after=after, limit=3):
        pages.append([event.amount_minor for event in page])
        after = page[-1].sequence
    assert pages == [[1, 2, 3], [4, 5, 6], [7]]


@pytest.mark.parametrize(
    ("action", "status", "operation_id", "name"),
    [
        ("charge", "succeeded", "op", "operation.succeeded"),
        ("charge", "failed", "op", "operation.failed"),
        ("refund", "succeeded", "op", "payment.refunded"),
        ("refund", "succeeded", None, "payment.refunded"),
        ("refund", "failed", "op", "operation.failed"),
        ("dispute", "opened", None, "dispute.opened"),
        ("dispute", "opened", "op", "dispute.opened"),
        ("anomaly", None, None, "anomaly.recorded"),
    ],
)
def test_names(action: str, status: str | None, operation_id: str | None, name: str) -> None:
    assert name_of(action, status, operation_id, VERBS) == name


def test_writers_at_once_leave_no_gap_and_no_twin(url: str, store: SqlStore) -> None:
    bots, writers, each = ["a:a", "b:b"], 4, 12
    stores = [store_at(url) for _ in range(2)]

    def write(number: int) -> None:
        for count in range(each):
            stores[number % 2].commit(entry(bots[count % 2], number * 100 + count))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for bot in bots:
        told = store.outbox.history(bot, limit=1000)
        kept = list(store.ledger.entries(bot_id=bot))
        assert [event.sequence for event in told] == list(range(1, writers * each // 2 + 1))
        in_order = sorted(kept, key=lambda one: one.stream_sequence)
        assert [e.stripe_id for e in told] == [e.id for e in in_order]
    for made in stores:
        made.close()
