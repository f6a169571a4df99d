"""A gate in front of Stripe, so that a test knows which calls have begun and when they end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterable
from typing import Any

from stripe_billing_router import aio
from stripe_billing_router.sandbox import Fault
from stripe_billing_router.testing import Sandbox
from tests.integration.charge.charge_bench import BOT, CREATE

PATIENCE = 60.0


class Gate:
    """Every payment, or other request, stops here before it is made, until the gate is opened."""

    def __init__(self, box: Sandbox, match: str = CREATE) -> None:
        self._arrived = threading.Semaphore(0)
        self._opened = threading.Event()
        box.world.faults.add(Fault("call", match=match, times=None, call=self.stop))

    def stop(self) -> None:
        self._arrived.release()
        assert self._opened.wait(PATIENCE)

    def open(self) -> None:
        self._opened.set()

    def wait_for(self, calls: int = 1) -> None:
        """Wait until so many more have come this far."""
        for _ in range(calls):
            assert self._arrived.acquire(timeout=PATIENCE)


async def at_the_gate(gate: Gate, calls: int = 1) -> None:
    await asyncio.to_thread(gate.wait_for, calls)


def crowd(size: int = aio.WORKERS) -> list[asyncio.Task[Any]]:
    """So many charges at once, of 1.00, 2.00 and so on; by default one for every worker."""
    return [started(aio.charge(BOT, n + 1)) for n in range(size)]


def started(call: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    return asyncio.get_running_loop().create_task(call)


async def cancelled(calls: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel them, and wait until each of their callers has heard of it."""
    calls = list(calls)
    for call in calls:
        call.cancel()
    found = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(error) for error in found] == [asyncio.CancelledError] * len(calls)


def moved(box: Sandbox) -> list[int]:
    """Minor units of every payment that moved money."""
    return sorted(int(effect["amount"]) for effect in box.world.effects())


def booked(box: Sandbox) -> list[int]:
    """Minor units of every ledger entry."""
    return sorted(entry.amount_minor or 0 for entry in box.ledger.entries())


def all_ended() -> None:
    """Wait until no worker has anything to do: each of them has to come to one meeting."""
    meeting = threading.Barrier(aio.WORKERS)
    for coming in [aio.workers.submit(meeting.wait) for _ in range(aio.WORKERS)]:
        coming.result(PATIENCE)
