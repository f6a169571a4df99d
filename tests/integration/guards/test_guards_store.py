"""What every database has to keep of budgets, approvals and freezes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from stripe_billing_router.models import (
    AppendEntry,
    Approval,
    ApprovalState,
    AskApproval,
    CloseOperation,
    DecideApproval,
    EntryDraft,
    FreezeScope,
    Operation,
    OperationState,
    Outcome,
    ReopenOperation,
    Reservation,
    Reserve,
    UnfreezeScope,
    UseApproval,
    Write,
)
from stripe_billing_router.ports import ApprovalNotGiven, BudgetExceeded, StaleLease
from stripe_billing_router.sandbox import World
from stripe_billing_router.store import SqlStore
from tests.integration.store.test_store_contract import BASE, make_store, opening, operation

S = OperationState
PART = Reservation("rule", "rule/money/month/usd/finance:bot", "money", "month", 600, 1000, "usd")
CALL = Reservation("rule", "rule/calls/month/-/finance:bot", "calls", "month", 1, 5)
RESTORE = replace(PART, kind="restore", amount=0)
DAY_MS = 24 * 3600 * 1000


@pytest.fixture
def store(database_url: str) -> Iterator[SqlStore]:
    made = make_store(database_url)
    yield made
    made.close()


def opened(name: str, *parts: Reservation) -> tuple[Write, ...]:
    made = operation(name, key=name)
    return opening(made), *(Reserve(name, part) for part in parts)


def closing(
    name: str,
    state: OperationState,
    amount: int | None = None,
    token: str | None = "t1",
    currency: str = "usd",
) -> CloseOperation:
    outcome = Outcome(state, "pi_1", "x", amount, currency, bool(amount), {})
    return CloseOperation(name, token, state, outcome)


def used(store: SqlStore, part: Reservation = PART) -> int:
    return sum(usage.used for usage in store.budgets([part.counter]))


def test_what_does_not_fit_is_refused_and_nothing_is_written(store: SqlStore) -> None:
    store.commit(*opened("op_1", PART))
    with pytest.raises(BudgetExceeded) as caught:
        store.commit(*opened("op_2", CALL, PART))
    assert caught.value.args == (PART, 400)
    assert store.operation("op_2") is None
    assert (used(store), used(store, CALL)) == (600, 0)
    store.commit(*opened("op_3", replace(PART, amount=400)))
    assert used(store) == 1000


def test_a_part_that_is_held_is_not_taken_twice(store: SqlStore) -> None:
    store.commit(*opened("op_1", PART, CALL))
    store.commit(Reserve("op_1", PART), Reserve("op_1", CALL))
    assert (used(store), used(store, CALL)) == (600, 1)


def test_of_what_is_held_already_only_what_is_missing_is_taken(store: SqlStore) -> None:
    store.commit(*opened("op_1", PART, CALL))
    more = Reserve("op_1", replace(PART, amount=700))
    for again in (more, more, Reserve("op_1", PART)):
        store.commit(again, Reserve("op_1", CALL))
        assert (used(store), used(store, CALL)) == (700, 1)
    with pytest.raises(BudgetExceeded) as caught:
        store.commit(Reserve("op_1", replace(PART, amount=1001)))
    assert caught.value.args[1] == 300
    store.commit(closing("op_1", S.FAILED, 0))
    assert used(store) == 0


def test_what_is_held_grows_once_whoever_asks_for_it_at_once(store: SqlStore) -> None:
    store.commit(*opened("op_1", PART))
    more = Reserve("op_1", replace(PART, amount=900, limit=5000))

    def ask(_: int) -> None:
        with suppress(StaleLease, BudgetExceeded):
            store.commit(more)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(8)))
    assert used(store) == 900
    store.commit(closing("op_1", S.CANCELED, 0))
    assert used(store) == 0


@pytest.mark.parametrize(
    ("state", "collected", "money"),
    [
        (S.SUCCEEDED, 600, 600),
        (S.SUCCEEDED, 0, 0),
        (S.SUCCEEDED, 250, 250),
        (S.SUCCEEDED, 1200, 1200),
        (S.SUCCEEDED, None, 600),
        (S.FAILED, 0, 0),
        (S.CANCELED, 0, 0),
        (S.ABANDONED, 0, 0),
        (S.PROCESSING, 0, 600),
        (S.REQUIRES_ACTION, 0, 600),
        (S.UNKNOWN, None, 600),
    ],
)
def test_an_outcome_settles_what_is_held(
    store: SqlStore, state: OperationState, collected: int | None, money: int
) -> None:
    store.commit(*opened("op_1", PART, CALL))
    store.commit(closing("op_1", state, collected))
    assert (used(store), used(store, CALL)) == (money, 1)


def test_what_was_collected_in_another_currency_counts_as_reserved(store: SqlStore) -> None:
    store.commit(*opened("op_1", PART))
    store.commit(closing("op_1", S.SUCCEEDED, 77, currency="eur"))
    assert used(store) == 600


def test_an_effect_proven_after_its_release_counts_beyond_the_limit(store: SqlStore) -> None:
    store.commit(*opened("op_1", PART))
    store.commit(closing("op_1", S.ABANDONED, 0))
    store.commit(*opened("op_2", PART))
    store.commit(closing("op_1", S.SUCCEEDED, 600, token=None))
    assert used(store) == 1200
    with pytest.raises(BudgetExceeded) as caught:
        store.commit(*opened("op_3", replace(PART, amount=0)))
    assert caught.value.args[1] == 0


def test_what_was_lost_is_written_again_beyond_limits_and_beside_doubts(store: SqlStore) -> None:
    store.commit(opening(operation("op_doubted", key=None)), *opened("op_2", PART)[1:])
    store.commit(CloseOperation("op_doubted", "t1", S.UNKNOWN, None))
    lost = replace(closing("op_1", S.PROCESSING, 600), intent=operation("op_1", key=None))
    lost = replace(lost, holds=(CALL, PART))
    store.commit(lost)
    assert (used(store), used(store, CALL)) == (1200, 1)
    store.commit(closing("op_1", S.SUCCEEDED, 500, token=None))
    assert (used(store), used(store, CALL)) == (1100, 1)
    with pytest.raises(StaleLease):
        store.commit(lost)
    assert used(store) == 1100


def test_an_operation_that_is_begun_anew_reserves_anew(store: SqlStore) -> None:
    store.commit(*opened("op_1", PART, CALL))
    store.commit(closing("op_1", S.ABANDONED, 0))
    again = ReopenOperation(operation("op_1", key="op_1"), "t2", 60_000, "owner")
    store.commit(again, Reserve("op_1", replace(PART, amount=700)), Reserve("op_1", CALL))
    assert (used(store), used(store, CALL)) == (700, 2)
    store.commit(closing("op_1", S.FAILED, 0, token="t2"))
    assert (used(store), used(store, CALL)) == (0, 2)


def test_what_an_earlier_attempt_released_does_not_count_for_a_later_one(store: SqlStore) -> None:
    """The rules, or the route's currency, have changed in between."""
    other = replace(PART, counter="other/money/month/eur/finance:bot", currency="eur")
    store.commit(*opened("op_1", PART))
    store.commit(closing("op_1", S.ABANDONED, 0))
    again = ReopenOperation(operation("op_1", key="op_1"), "t2", 60_000, "owner")
    store.commit(again, Reserve("op_1", other))
    store.commit(closing("op_1", S.SUCCEEDED, 500, token="t2", currency="eur"))
    assert (used(store), used(store, other)) == (0, 500)


def test_a_refund_restores_at_its_success_what_its_payment_holds_and_never_more(
    store: SqlStore,
) -> None:
    restore = replace(RESTORE, restores="op_1")
    store.commit(*opened("op_1", PART))
    store.commit(closing("op_1", S.SUCCEEDED, 600))
    store.commit(*opened("op_2", restore))
    assert used(store) == 600
    store.commit(closing("op_2", S.PROCESSING, 0))
    assert used(store) == 600
    store.commit(closing("op_2", S.SUCCEEDED, 700, token=None))
    assert used(store) == 0
    store.commit(*opened("op_3", PART), *opened("op_4", restore))
    store.commit(closing("op_4", S.SUCCEEDED, 600))
    assert used(store) == 600


def test_a_refund_that_names_no_settled_payment_restores_nothing(store: SqlStore) -> None:
    store.commit(*opened("op_1", PART))
    store.commit(*opened("op_2", RESTORE), *opened("op_3", replace(RESTORE, restores="op_1")))
    store.commit(closing("op_2", S.SUCCEEDED, 600))
    store.commit(closing("op_3", S.SUCCEEDED, 600))
    assert used(store) == 600


def test_sixteen_at_once_take_no_cent_too_much(store: SqlStore) -> None:
    """Each asks for 90 of 1000, in the very first moment of a counter: 11 get it."""
    part, given, refused = replace(PART, amount=90), [], []
    barrier = threading.Barrier(16)

    def take(number: int) -> None:
        barrier.wait()
        try:
            store.commit(*opened(f"op_{number}", part, CALL_UNLIMITED))
        except BudgetExceeded as signal:
            refused.append(signal.args[1])
        else:
            given.append(number)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(given), refused) == (11, [10] * 5)
    assert used(store) == 990


CALL_UNLIMITED = replace(CALL, limit=1000)


def approval(name: str = "apr_1", **changes: Any) -> Approval:
    made = Approval(
        approval_id=name,
        operation_id="op_1",
        idempotency_key="k",
        bot_id="finance:bot",
        verb="charge",
        effect_hash="e" * 64,
        input_hash="i" * 64,
        rule="large",
        amount_minor=1999,
        currency="usd",
        customer_id="cus_1",
        state=ApprovalState.PENDING,
    )
    return replace(made, **changes)


def asking(name: str = "apr_1", expires_in_ms: int = DAY_MS, **changes: Any) -> AskApproval:
    made: Operation = operation("op_1", key="k", **changes)
    return AskApproval(made, approval(name, effect_hash=made.effect_hash), expires_in_ms)


def deciding(state: ApprovalState = ApprovalState.APPROVED, name: str = "apr_1") -> DecideApproval:
    outcome = Outcome(S.CANCELED, None, None, 0, "usd", False, {})
    return DecideApproval(name, state, "ann", "fine", outcome)


USE = UseApproval("apr_1", "op_1", "e" * 64)


def test_a_question_is_written_with_its_operation_and_asked_once(store: SqlStore) -> None:
    store.commit(asking())
    waiting = store.operation("op_1")
    assert waiting is not None
    assert (waiting.state, waiting.lease_token) == (S.AWAITING_APPROVAL, None)
    with pytest.raises(StaleLease):
        store.commit(asking("apr_2"))
    assert [a.approval_id for a in store.approvals(operation_id="op_1")] == ["apr_1"]


def test_an_approval_is_used_once_and_only_when_given(store: SqlStore) -> None:
    store.commit(asking())
    with pytest.raises(ApprovalNotGiven):
        store.commit(USE)
    store.commit(deciding())
    for other in (
        replace(USE, effect_hash="f" * 64),
        replace(USE, operation_id="op_2"),
        replace(USE, approval_id="apr_2"),
    ):
        with pytest.raises(ApprovalNotGiven):
            store.commit(other)
    store.commit(USE)
    with pytest.raises(ApprovalNotGiven):
        store.commit(USE)
    (used_up,) = store.approvals(approval_id="apr_1")
    assert (used_up.state, used_up.decided_by, used_up.note) == ("used", "ann", "fine")


def test_time_takes_question_and_answer_away(store: SqlStore) -> None:
    store.commit(asking(expires_in_ms=-1))
    with pytest.raises(StaleLease):
        store.commit(deciding())
    (over,) = store.approvals(states=[ApprovalState.EXPIRED])
    assert over.state is ApprovalState.EXPIRED
    assert store.approvals(states=[ApprovalState.PENDING]) == []
    store.commit(asking("apr_2", effect_hash="f" * 64))
    assert store.operation("op_1").effect_hash == "f" * 64  # type: ignore[union-attr]


def test_an_approval_that_was_given_runs_out_too(sqlite_url: str) -> None:
    world = World()
    store = SqlStore(sqlite_url, world.clock, account_id="acct_1", api_base=BASE)
    store.commit(asking())
    store.commit(deciding())
    world.advance(DAY_MS / 1000)
    with pytest.raises(ApprovalNotGiven):
        store.commit(USE)
    assert [a.state for a in store.approvals()] == ["expired"]
    store.close()


def test_a_rejection_ends_what_waits_and_takes_an_approval_back(store: SqlStore) -> None:
    store.commit(asking())
    store.commit(deciding())
    store.commit(deciding(ApprovalState.REJECTED))
    with pytest.raises(ApprovalNotGiven):
        store.commit(USE)
    assert store.operation("op_1").state is S.CANCELED  # type: ignore[union-attr]
    with pytest.raises(StaleLease):
        store.commit(deciding())


def test_freezes_are_kept_with_who_and_when(store: SqlStore) -> None:
    store.commit(FreezeScope("frz_1", "finance:*", "why", "ann"))
    (active,) = store.freezes(["finance:*", "*"])
    assert (active.scope, active.reason, active.frozen_by) == ("finance:*", "why", "ann")
    assert store.freezes(["finance:bot"]) == []
    store.commit(UnfreezeScope("finance:*", "bob"))
    with pytest.raises(StaleLease):
        store.commit(UnfreezeScope("finance:*", "bob"))
    assert store.freezes() == []
    (past,) = store.freeze_history()
    assert (past.unfrozen_by, past.freeze_id) == ("bob", "frz_1")
    assert past.frozen_ms <= (past.unfrozen_ms or 0)


def test_of_eight_at_once_one_uses_an_approval(store: SqlStore) -> None:
    store.commit(asking())
    store.commit(deciding())
    barrier, ended = threading.Barrier(8), []

    def begin(number: int) -> None:
        opened_again = ReopenOperation(operation("op_1", key="k"), f"t{number}", 60_000, "owner")
        barrier.wait()
        try:
            store.commit(opened_again, USE)
        except (StaleLease, ApprovalNotGiven) as signal:
            ended.append(type(signal).__name__)
        else:
            ended.append("used")

    threads = [threading.Thread(target=begin, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ended) == 8
    assert ended.count("used") == 1


def test_an_approval_that_cannot_be_used_opens_nothing(store: SqlStore) -> None:
    store.commit(asking())
    begin = ReopenOperation(operation("op_1", key="k"), "t1", 60_000, "owner")
    with pytest.raises(ApprovalNotGiven):
        store.commit(begin, Reserve("op_1", PART), USE)
    assert store.operation("op_1").state is S.AWAITING_APPROVAL  # type: ignore[union-attr]
    assert used(store) == 0


def test_a_bots_payment_is_found_by_its_id_or_by_what_stripe_told(store: SqlStore) -> None:
    def paying(name: str, bot_id: str, raw: dict[str, Any]) -> AppendEntry:
        draft = EntryDraft(
            id=name,
            action_type="charge",
            amount_minor=1,
            currency="usd",
            timestamp_ms=1,
            user_email=None,
            bot_id=bot_id,
            destination_account=None,
            raw_event=raw,
            error=False,
            operation_id=None,
            status="succeeded",
        )
        return AppendEntry(draft)

    store.commit(
        paying("pi_1", "finance:bot", {"latest_charge": "ch_1"}),
        paying("pi_2", "finance:bot", {"latest_charge": "chx1"}),
        paying("pi_3", "finance:other", {"latest_charge": "ch_3"}),
    )
    found = {
        name: [entry.id for entry in store.payments(name, "finance:bot")]
        for name in ("pi_1", "ch_1", "ch_3", "pi_3", "ch_", "%")
    }
    assert found == {
        "pi_1": ["pi_1"],
        "ch_1": ["pi_1"],
        "ch_3": [],
        "pi_3": [],
        "ch_": [],
        "%": [],
    }
