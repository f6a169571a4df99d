"""Cancelling an await: what has begun is never lost, what has not begun is never sent."""

from __future__ import annotations

import asyncio
import logging
import threading
from pathlib import Path
from typing import Any

import pytest

import stripe_billing_router
from stripe_billing_router import aio
from stripe_billing_router.errors import ConfigurationError, OutcomeUnknownError
from stripe_billing_router.sandbox import Fault
from stripe_billing_router.testing import Sandbox, sandbox
from tests.integration.aio.aio_bench import (
    PATIENCE,
    Gate,
    all_ended,
    at_the_gate,
    booked,
    cancelled,
    crowd,
    moved,
    started,
)
from tests.integration.charge.charge_bench import BOT, CREATE, ROUTING


def test_a_cancelled_await_ends_at_once_and_its_charge_is_made_and_recorded(
    box: Sandbox, gate: Gate
) -> None:
    async def give_up() -> None:
        call = started(aio.charge(BOT, 5, idempotency_key="k"))
        await at_the_gate(gate)
        await cancelled([call])
        assert moved(box) == []

    asyncio.run(give_up())
    gate.open()
    all_ended()
    assert moved(box) == booked(box) == [500]


def test_the_result_of_a_cancelled_charge_is_there_for_who_asks_again(
    box: Sandbox, gate: Gate
) -> None:
    async def give_up_and_ask_again() -> None:
        call = started(aio.charge(BOT, 5, idempotency_key="k"))
        await at_the_gate(gate)
        await cancelled([call])
        gate.open()
        await asyncio.to_thread(all_ended)
        again = await aio.charge(BOT, 5, idempotency_key="k")
        assert again.paid

    asyncio.run(give_up_and_ask_again())
    assert moved(box) == booked(box) == [500]


def test_a_cancelled_charge_without_a_key_is_not_made_twice_for_who_asks_again(
    box: Sandbox, gate: Gate
) -> None:
    async def give_up_and_ask_again() -> None:
        call = started(aio.charge(BOT, 5))
        await at_the_gate(gate)
        await cancelled([call])
        with pytest.raises(OutcomeUnknownError):
            await aio.charge(BOT, 5)
        gate.open()
        await asyncio.to_thread(all_ended)
        with pytest.raises(OutcomeUnknownError) as told:
            await aio.charge(BOT, 5)
        assert told.value.money == "moved"

    asyncio.run(give_up_and_ask_again())
    assert moved(box) == booked(box) == [500]


def test_a_cancelled_charge_that_made_another_is_not_made_twice(box: Sandbox) -> None:
    """A hook of the host's charges too, while the first one is on its way."""
    gate = Gate(box, "nothing")

    def another() -> None:
        stripe_billing_router.charge(BOT, 7)
        gate.stop()

    box.world.faults.add(Fault("call", match=CREATE, call=another))

    async def give_up_and_ask_again() -> None:
        call = started(aio.charge(BOT, 5))
        await at_the_gate(gate)
        await cancelled([call])
        with pytest.raises(OutcomeUnknownError):
            await aio.charge(BOT, 5)
        gate.open()
        await asyncio.to_thread(all_ended)

    asyncio.run(give_up_and_ask_again())
    assert moved(box) == booked(box) == [500, 700]


def test_a_charge_that_is_cancelled_before_it_is_sent_is_made_for_who_asks_again(
    box: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """It has begun, and looks up what it needs."""
    gate = Gate(box, "GET *")

    async def give_up_and_ask_again() -> None:
        call = started(aio.charge(BOT, 5))
        await at_the_gate(gate)
        await cancelled([call])
        gate.open()
        await asyncio.to_thread(all_ended)
        assert moved(box) == []
        assert (await aio.charge(BOT, 5)).paid

    asyncio.run(give_up_and_ask_again())
    assert moved(box) == [500]
    assert booked(box) == [0, 500]
    assert "Nobody waits for it any more" in caplog.text


def test_a_time_limit_is_kept_and_the_charge_is_made_and_recorded(box: Sandbox, gate: Gate) -> None:
    async def end(limit: asyncio.Timeout) -> None:
        await at_the_gate(gate)
        limit.reschedule(0)

    async def hurry() -> None:
        async with asyncio.timeout(PATIENCE) as limit, asyncio.TaskGroup() as group:
            group.create_task(end(limit))
            await aio.charge(BOT, 5)

    with pytest.raises(TimeoutError):
        asyncio.run(hurry())
    assert moved(box) == []
    gate.open()
    all_ended()
    assert moved(box) == booked(box) == [500]


def test_a_call_that_is_cancelled_before_it_begins_is_never_sent(box: Sandbox, gate: Gate) -> None:
    async def give_up() -> None:
        before = crowd()
        await at_the_gate(gate, aio.WORKERS)
        waiting = [started(aio.charge(BOT, 1000 + n, idempotency_key=f"k{n}")) for n in range(5)]
        await asyncio.sleep(0)
        await cancelled(waiting)
        gate.open()
        await asyncio.gather(*before)
        await aio.charge(BOT, 77)

    asyncio.run(give_up())
    ours = [100 * (n + 1) for n in range(aio.WORKERS)]
    assert moved(box) == booked(box) == sorted([*ours, 7700])
    assert len(box.router.history(BOT)) == len(ours) + 1


def test_the_number_of_calls_at_once_is_a_setting(
    box: Sandbox, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aio, "workers", aio._Workers())
    more = aio.WORKERS + 8

    async def pay() -> None:
        calls = crowd(more)
        await at_the_gate(gate, more)
        gate.open()
        await asyncio.gather(*calls)

    monkeypatch.setenv("STRIPE_ASYNC_WORKERS", "many")
    with pytest.raises(ConfigurationError, match="STRIPE_ASYNC_WORKERS is 'many'; set it to"):
        asyncio.run(pay_one())
    monkeypatch.setenv("STRIPE_ASYNC_WORKERS", str(more))
    asyncio.run(pay())
    assert moved(box) == booked(box) == [100 * (n + 1) for n in range(more)]


async def pay_one() -> None:
    await aio.charge(BOT, 5)


def test_a_crowd_that_is_cancelled_is_recorded_as_far_as_it_had_begun(
    box: Sandbox, gate: Gate
) -> None:
    async def give_up() -> None:
        calls = crowd(3 * aio.WORKERS)
        await at_the_gate(gate, aio.WORKERS)
        await cancelled(calls)

    asyncio.run(give_up())
    gate.open()
    all_ended()
    assert moved(box) == booked(box) == [100 * (n + 1) for n in range(aio.WORKERS)]


def test_a_loop_that_is_closed_over_its_calls_leaves_none_that_begins_later(
    box: Sandbox, gate: Gate
) -> None:
    async def begin() -> list[asyncio.Task[Any]]:
        calls = crowd(aio.WORKERS + 5)
        await at_the_gate(gate, aio.WORKERS)
        return calls

    loop = asyncio.new_event_loop()
    calls = loop.run_until_complete(begin())
    loop.close()
    for call in calls:
        call._log_destroy_pending = False  # type: ignore[attr-defined]
    gate.open()
    all_ended()
    assert len(moved(box)) == len(booked(box)) == aio.WORKERS


def test_what_a_cancelled_call_raises_is_logged(
    box: Sandbox, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    box.world.set_outcome("pm_of_cus_one", "declined:insufficient_funds")

    async def give_up() -> None:
        call = started(aio.charge(BOT, 5))
        await at_the_gate(gate)
        await cancelled([call])
        gate.open()
        await asyncio.to_thread(all_ended)

    with caplog.at_level(logging.ERROR):
        asyncio.run(give_up(), debug=True)
    (record,) = caplog.records
    assert record.name == "stripe_billing_router.aio"
    assert "charge() failed after its await was cancelled" in record.getMessage()
    assert "PaymentDeclinedError" in caplog.text


def test_the_loop_goes_on_while_a_charge_waits(box: Sandbox, gate: Gate) -> None:
    async def meanwhile() -> int:
        call = started(aio.charge(BOT, 5))
        await at_the_gate(gate)
        turns = 0
        while turns < 100:
            await asyncio.sleep(0)
            turns += 1
        assert not call.done()
        gate.open()
        assert (await call).paid
        return turns

    assert asyncio.run(meanwhile()) == 100


def test_join_waits_for_what_goes_on_after_a_cancellation(box: Sandbox, gate: Gate) -> None:
    async def give_up_and_wait() -> None:
        call = started(aio.charge(BOT, 5))
        await at_the_gate(gate)
        await cancelled([call])
        waiting = started(aio.join())
        await asyncio.sleep(0)
        assert not waiting.done()
        gate.open()
        await waiting
        assert moved(box) == booked(box) == [500]
        await aio.join()

    asyncio.run(give_up_and_wait())


def test_a_sandbox_is_not_taken_away_from_under_a_call(tmp_path: Path) -> None:
    async def give_up() -> None:
        call = started(aio.charge(BOT, 5))
        await at_the_gate(gate)
        await cancelled([call])

    (tmp_path / "routing.yaml").write_text(ROUTING)
    with sandbox(tmp_path / "routing.yaml", ledger_url=f"sqlite:///{tmp_path}/ledger.db") as box:
        gate = Gate(box)
        asyncio.run(give_up())
        threading.Timer(0.05, gate.open).start()
    assert moved(box) == booked(box) == [500]
    box.router.close()
