"""Idempotency keys: what they make one, and what stays two."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

from stripe_billing_router.engine import SystemClock
from stripe_billing_router.errors import (
    BillingError,
    IdempotencyConflictError,
    InvalidRequestError,
    OperationInProgressError,
    OutcomeUnknownError,
    PaymentActionRequiredError,
    PaymentDeclinedError,
)
from stripe_billing_router.models import Charge
from stripe_billing_router.sandbox import World
from tests.integration.charge.charge_bench import (
    BOT,
    CARD,
    CREATE,
    LEASE,
    Bench,
    Commits,
    Died,
    Wire,
    new_world,
)


def test_same_key_same_input_is_the_same_result_and_no_request(bench: Bench) -> None:
    router = bench.warm()
    first = router.charge(BOT, "19.99", "x", metadata={"a": "1"}, idempotency_key="k")
    again = router.charge(BOT, "19.99", "x", metadata={"a": "1"}, idempotency_key="k")
    assert again.to_dict() == first.to_dict()
    assert (again.amount, again.state, again.paid) == (first.amount, first.state, first.paid)
    assert again.idempotency_key == "k"
    assert len(bench.world.requests) == 1
    assert bench.moved() == bench.booked(router) == [1999]


def test_the_result_outlives_the_router(bench: Bench) -> None:
    first = bench.warm().charge(BOT, 5, idempotency_key="k")
    bench.world.requests.clear()
    again = bench.router().charge(BOT, 5, idempotency_key="k")
    assert again.id == first.id
    assert bench.world.requests == []


@pytest.mark.parametrize("same", [5, "5", "5.0", "5.00", Decimal("5.000"), 5.0])
def test_an_amount_written_otherwise_is_the_same_input(bench: Bench, same: Any) -> None:
    router = bench.warm()
    first = router.charge(BOT, "5.00", idempotency_key="k")
    assert router.charge(BOT, same, idempotency_key="k").id == first.id
    assert len(bench.sent()) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"amount": "5.01"},
        {"description": "other"},
        {"description": ""},
        {"customer_id": "cus_two"},
        {"payment_method_id": "pm_two"},
        {"on_session": True},
        {"metadata": {"a": "2"}},
        {"metadata": {}},
        {"metadata": {"a": "1", "b": "1"}},
        {"receipt_email": "x@example.org"},
        {"overrides": {"plan": "gold"}},
    ],
    ids=lambda other: "-".join(other),
)
def test_same_key_other_input_is_refused(bench: Bench, other: dict[str, Any]) -> None:
    router = bench.warm()
    given: dict[str, Any] = {"amount": 5, "description": "one", "metadata": {"a": "1"}}
    first = router.charge(BOT, idempotency_key="k", **given)
    with pytest.raises(IdempotencyConflictError) as told:
        router.charge(BOT, idempotency_key="k", **{**given, **other})
    assert told.value.operation_id == first.operation_id
    assert told.value.idempotency_key == "k"
    assert len(bench.sent()) == 1
    assert bench.moved() == [500]


def test_the_long_and_the_short_name_of_a_bot_share_their_keys(bench: Bench) -> None:
    router = bench.warm()
    first = router.charge("stripe:finance:bot", 5, idempotency_key="k")
    assert router.charge("finance:bot", 5, idempotency_key="k").id == first.id
    with pytest.raises(IdempotencyConflictError):
        router.charge("finance:bot", 6, idempotency_key="k")
    assert bench.moved() == [500]


def test_the_long_and_the_short_name_of_a_bot_share_their_doubts(bench: Bench) -> None:
    router = bench.warm()
    bench.fault("cut", times=None)
    with pytest.raises(OutcomeUnknownError):
        router.charge("stripe:finance:bot", 5)
    bench.world.faults.clear()
    with pytest.raises(OutcomeUnknownError):
        router.charge("finance:bot", 5)
    assert bench.moved() == []


def test_two_bots_may_use_the_same_key(bench: Bench) -> None:
    router = bench.warm()
    one = router.charge(BOT, 5, idempotency_key="k")
    two = router.charge("finance:other", 7, idempotency_key="k")
    assert one.id != two.id
    assert bench.moved() == [500, 700]


def test_keys_that_differ_in_case_or_space_are_two(bench: Bench) -> None:
    router = bench.warm()
    for key in ("k", "K", " k", "k "):
        router.charge(BOT, 5, idempotency_key=key)
    assert bench.moved() == [500] * 4


@pytest.mark.parametrize(
    "key", ["", " ", "\u3000 ", "\n", "a\0b", "x" * 256, 5, b"k", "\ud800", ["k"]]
)
def test_a_key_that_cannot_be_kept_is_refused(bench: Bench, key: Any) -> None:
    with pytest.raises(InvalidRequestError):
        bench.router().charge(BOT, 5, idempotency_key=key)
    assert bench.untouched()


@pytest.mark.parametrize("key", ["x" * 255, "ключ-№1", "🙂" * 255, "a'b\"c;--", "%s{0}"])
def test_a_key_may_be_any_printable_text(bench: Bench, key: str) -> None:
    router = bench.router()
    first = router.charge(BOT, 5, idempotency_key=key)
    assert router.charge(BOT, 5, idempotency_key=key).id == first.id
    assert bench.moved() == [500]


def test_a_stored_decline_is_raised_again_without_a_request(bench: Bench) -> None:
    router = bench.warm()
    bench.world.set_outcome(CARD, "declined:lost_card")
    told = []
    for asking in (router, router, bench.router()):
        with pytest.raises(PaymentDeclinedError) as raised:
            asking.charge(BOT, 5, idempotency_key="k")
        told.append(raised.value)
        bench.world.set_outcome(CARD, "succeeds")
    assert {(e.code, e.decline_code, e.stripe_id, str(e)) for e in told} == {
        ("card_declined", "lost_card", told[0].stripe_id, str(told[0]))
    }
    assert len(bench.world.requests) == 2
    assert router.charge(BOT, 5, idempotency_key="another").paid


def test_two_equal_keyless_charges_are_two(bench: Bench) -> None:
    router = bench.warm()
    one, two = router.charge(BOT, 5), router.charge(BOT, 5)
    assert one.id != two.id
    assert bench.moved() == bench.booked(router) == [500, 500]
    assert one.idempotency_key is two.idempotency_key is None


def _unknown(bench: Bench) -> None:
    bench.fault("timeout", effect=True, times=None)
    with pytest.raises(OutcomeUnknownError):
        bench.router().charge(BOT, 5)
    bench.world.faults.clear()


def _waiting(bench: Bench) -> None:
    bench.world.set_outcome(CARD, "authentication_required")
    with pytest.raises(PaymentActionRequiredError):
        bench.router().charge(BOT, 5)
    bench.world.set_outcome(CARD, "succeeds")


def _died(bench: Bench) -> None:
    def die(method: str, _url: str) -> None:
        if method == "POST":
            raise Died

    with pytest.raises(Died):
        bench.router(http_client=Wire(bench.world, after=die)).charge(BOT, 5)
    bench.world.advance(LEASE)


@pytest.mark.parametrize(
    ("leave", "effects"), [(_unknown, 1), (_waiting, 0), (_died, 1)], ids=lambda x: str(x)[:18]
)
def test_an_equal_keyless_charge_waits_until_the_first_is_settled(
    bench: Bench, leave: Callable[[Bench], None], effects: int
) -> None:
    leave(bench)
    sent = len(bench.sent())
    for _ in range(2):
        with pytest.raises(OutcomeUnknownError) as told:
            bench.router().charge(BOT, 5)
        assert told.value.operation_id == bench.operations()[0]["operation_id"]
        assert told.value.money == "unknown"
    assert len(bench.sent()) == sent
    assert len(bench.operations()) == 1
    assert len(bench.moved()) == effects


@pytest.mark.parametrize("leave", [_unknown, _waiting, _died])
def test_another_charge_does_not_wait(bench: Bench, leave: Callable[[Bench], None]) -> None:
    leave(bench)
    before = len(bench.moved())
    assert bench.router().charge(BOT, 6).paid
    assert bench.router().charge("finance:other", 5).paid
    assert len(bench.moved()) == before + 2


def test_the_keys_that_stripe_gets_hold_no_clock_and_no_amount(bench: Bench) -> None:
    keys = []
    for number, (amount, later) in enumerate([(5, 0), (6, 0), (5, 86_400 * 400)]):
        world = new_world()
        world.advance(later)
        bench.world = world
        router = bench.router(ledger_url=f"sqlite:///{bench.folder}/{number}.db")
        router.charge(BOT, amount, idempotency_key="k")
        keys += [request.idempotency_key for request in bench.sent()]
    assert len(keys) == 3
    assert len(set(keys)) == 1


def test_equal_keyless_charges_at_the_same_instant_have_keys_of_their_own(bench: Bench) -> None:
    router = bench.warm()
    for _ in range(20):
        router.charge(BOT, 5)
    assert len({request.idempotency_key for request in bench.sent()}) == 20
    assert len({request.at_ms for request in bench.sent()}) == 1
    assert len(bench.moved()) == 20


def test_each_step_has_a_key_of_its_own(bench: Bench) -> None:
    router = bench.warm()
    bench.world.set_outcome(CARD, "declined")
    with pytest.raises(PaymentDeclinedError):
        router.charge(BOT, 5, idempotency_key="k")
    keys = [request.idempotency_key for request in bench.world.requests]
    assert len(keys) == len(set(keys)) == 2
    assert all(keys)


def test_a_call_that_is_being_executed_is_told_so(bench: Bench) -> None:
    router = bench.warm()
    told: list[BillingError] = []

    def ask_again() -> None:
        with pytest.raises(OperationInProgressError) as raised:
            bench.router().charge(BOT, 5, idempotency_key="k")
        told.append(raised.value)

    bench.fault("call", call=ask_again)
    done = router.charge(BOT, 5, idempotency_key="k")
    assert done.paid
    assert told[0].operation_id == done.operation_id
    assert told[0].money == "unknown"
    assert bench.moved() == [500]


def test_a_keyed_charge_that_was_never_executed_keeps_no_result(bench: Bench) -> None:
    router = bench.warm()
    bench.fault("refused", times=None)
    with pytest.raises(BillingError):
        router.charge(BOT, 5, idempotency_key="k")
    with pytest.raises(IdempotencyConflictError):
        router.charge(BOT, 6, idempotency_key="k")
    bench.world.faults.clear()
    assert router.charge(BOT, 5, idempotency_key="k").paid
    assert router.charge(BOT, 5, idempotency_key="k").paid
    assert bench.moved() == bench.booked(router) == [500]


def in_threads(calls: int, call: Callable[[int], Any]) -> list[Any]:
    start = threading.Barrier(calls)

    def one(number: int) -> Any:
        start.wait(timeout=10)
        try:
            return call(number)
        except BillingError as error:
            return error

    with ThreadPoolExecutor(calls) as pool:
        return list(pool.map(one, range(calls)))


@pytest.mark.parametrize("database", ["bench", "postgres_bench"])
def test_concurrent_equal_keyed_charges_are_one(
    request: pytest.FixtureRequest, database: str
) -> None:
    bench: Bench = request.getfixturevalue(database)
    routers = [bench.warm(clock=SystemClock()) for _ in range(2)]
    found = in_threads(8, lambda n: routers[n % 2].charge(BOT, 5, idempotency_key="k"))
    assert {type(one) for one in found} == {Charge}
    assert len({one.id for one in found}) == 1
    assert bench.moved() == bench.booked(routers[0]) == [500]


@pytest.mark.parametrize("database", ["bench", "postgres_bench"])
def test_concurrent_keyless_charges_are_as_many_as_asked(
    request: pytest.FixtureRequest, database: str
) -> None:
    bench: Bench = request.getfixturevalue(database)
    routers = [bench.warm(clock=SystemClock()) for _ in range(2)]
    found = in_threads(12, lambda n: routers[n % 2].charge(BOT, 5))
    assert len({one.id for one in found}) == 12
    assert bench.moved() == bench.booked(routers[0]) == [500] * 12
    assert routers[0].ledger.verify().ok


def test_a_charge_is_asked_for_concurrently_with_other_input(bench: Bench) -> None:
    router = bench.warm(clock=SystemClock())
    found = in_threads(6, lambda n: router.charge(BOT, 5 + n % 2, idempotency_key="k"))
    assert {type(one) for one in found} == {Charge, IdempotencyConflictError}
    assert len(bench.moved()) == 1


def test_one_router_is_made_by_many_threads_at_once(bench: Bench) -> None:
    router = bench.router(clock=SystemClock(), ledger_url=f"sqlite:///{bench.folder}/new/ledger.db")
    found = in_threads(8, lambda n: router.charge(BOT, 5, idempotency_key=f"k{n}"))
    assert {type(one) for one in found} == {Charge}
    assert len(bench.moved()) == 8


def test_an_abandoned_charge_asked_for_twice_at_once_is_sent_once(bench: Bench) -> None:
    router = bench.warm(clock=SystemClock())
    bench.fault("refused", times=None)
    impatient = bench.router()
    with pytest.raises(BillingError):
        impatient.charge(BOT, 5, idempotency_key="k")
    bench.world.faults.clear()
    found = in_threads(6, lambda _: router.charge(BOT, 5, idempotency_key="k"))
    assert {type(one) for one in found} == {Charge}
    assert bench.moved() == bench.booked(router) == [500]


def test_an_intent_whose_commit_is_ambiguous_is_not_sent(bench: Bench, commits: Commits) -> None:
    from stripe_billing_router.ports import CommitAmbiguous

    router = bench.warm()
    commits.fail(1, "after", CommitAmbiguous("the line to the database broke"))
    with pytest.raises(OutcomeUnknownError) as told:
        router.charge(BOT, 5, idempotency_key="k")
    assert told.value.operation_id == bench.operations()[0]["operation_id"]
    assert bench.sent() == []
    commits.mend()
    bench.world.advance(LEASE)
    assert router.charge(BOT, 5, idempotency_key="k").paid
    assert bench.moved() == [500]


def test_a_world_without_faults_fires_none(bench: Bench) -> None:
    world: World = bench.world
    bench.router().charge(BOT, 5)
    assert world.faults.fired == []
    assert CREATE in {f"{r.method} {r.path}" for r in world.requests}
