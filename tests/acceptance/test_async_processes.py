"""Calls of asynchronous code that are under way when their process ends or forks."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator

import pytest

from stripe_billing_router import aio
from stripe_billing_router.sandbox import Fault
from tests.acceptance.conftest import Project
from tests.integration.charge.charge_bench import CREATE

PATIENCE = 60.0


class Gate:
    """Every payment stops here, before it is made, until the gate is opened."""

    def __init__(self) -> None:
        self._arrived = threading.Semaphore(0)
        self._opened = threading.Event()
        self.open = self._opened.set

    def stop(self) -> None:
        self._arrived.release()
        assert self._opened.wait(PATIENCE)

    def wait_for(self, calls: int) -> None:
        for _ in range(calls):
            assert self._arrived.acquire(timeout=PATIENCE)


@pytest.fixture
def gate(project: Project) -> Iterator[Gate]:
    made = Gate()
    project.world.faults.add(Fault("call", match=CREATE, times=None, call=made.stop))
    yield made
    made.open()


def amounts(calls: int) -> list[int]:
    return [100 * (n + 1) for n in range(calls)]


def booked(project: Project) -> list[int]:
    """Minor units of what the ledger has, once it has been checked."""
    with project.router() as router:
        assert router.ledger.verify().ok
        return sorted(entry.amount_minor or 0 for entry in router.ledger.entries())


def told(process: subprocess.Popen[str], line: str) -> str:
    """Write a line to a process and return the next that it prints."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


LEAVE = """
import asyncio, sys
from stripe_billing_router import aio


async def leave():
    calls = [aio.charge("finance:bot", n + 1) for n in range(int(sys.argv[1]))]
    tasks = [asyncio.create_task(call) for call in calls]
    await asyncio.to_thread(sys.stdin.readline)


asyncio.run(leave())
print("left", flush=True)
"""


def test_a_process_ends_when_what_it_began_is_recorded_and_begins_nothing_more(
    project: Project, gate: Gate
) -> None:
    process = project.start(LEAVE, str(aio.WORKERS + 10))
    gate.wait_for(aio.WORKERS)
    assert told(process, "leave") == "left"
    assert project.moved() == []
    gate.open()
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, "Traceback" in err) == (0, "", False), err
    assert sorted(project.moved()) == booked(project) == amounts(aio.WORKERS)


FORK = """
import asyncio, os, signal, sys, warnings
from stripe_billing_router import aio

warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads


async def pay_and_fork():
    calls = [aio.charge("finance:bot", n + 1) for n in range(int(sys.argv[1]))]
    tasks = [asyncio.create_task(call) for call in calls]
    await asyncio.to_thread(sys.stdin.readline)
    return tasks, os.fork()


loop = asyncio.new_event_loop()
tasks, child = loop.run_until_complete(pay_and_fork())
if child == 0:
    signal.alarm(60)
    asyncio.run(aio.charge("finance:other", 77))
    os._exit(0)
print(os.waitpid(child, 0)[1], flush=True)
loop.run_until_complete(asyncio.gather(*tasks))
loop.close()
"""


def test_a_child_of_a_busy_process_has_workers_of_its_own(project: Project, gate: Gate) -> None:
    process = project.start(FORK, str(aio.WORKERS + 10))
    gate.wait_for(aio.WORKERS)
    project.world.faults.clear()
    assert told(process, "fork") == "0"
    gate.open()
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, "Traceback" in err) == (0, "", False), err
    assert booked(project) == sorted([7700, *amounts(aio.WORKERS + 10)])
