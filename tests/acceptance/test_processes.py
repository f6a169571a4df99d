"""Several processes, some of which die."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest

from stripe_billing_router.errors import OutcomeUnknownError
from stripe_billing_router.sandbox import Fault
from tests.acceptance.conftest import Project
from tests.integration.charge.charge_bench import BOT, CREATE

CHARGE = """
import sys
from stripe_billing_router import charge
key = sys.argv[1] or None
print(charge("finance:bot", 5, idempotency_key=key).id)
"""


def _killed_while_charging(project: Project, key: str, *, effect: bool) -> None:
    process = project.start(CHARGE, key)

    def kill() -> None:
        process.kill()
        process.wait()

    project.world.faults.add(Fault("call", match=CREATE, effect=effect, call=kill))
    process.communicate(timeout=30)
    assert process.returncode == -9
    assert len(project.moved()) == 1


def test_a_keyed_charge_of_a_killed_process_is_completed_once_and_at_once(
    project: Project,
) -> None:
    _killed_while_charging(project, "k", effect=True)
    router = project.router()
    done = router.charge(BOT, 5, idempotency_key="k")
    assert done.paid
    assert project.moved() == [500]
    assert [entry.amount_minor for entry in router.ledger.entries()] == [500]
    router.close()


def test_a_keyless_charge_of_a_killed_process_is_not_charged_again(project: Project) -> None:
    _killed_while_charging(project, "", effect=True)
    router = project.router()
    with pytest.raises(OutcomeUnknownError):
        router.charge(BOT, 5)
    assert project.moved() == [500]
    router.close()


def test_processes_that_start_together_share_ledger_and_keys(project: Project) -> None:
    processes = [project.start(CHARGE, "k") for _ in range(3)]
    told = [process.communicate(timeout=30) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], told
    assert len({out for out, _ in told}) == 1
    assert project.moved() == [500]
    router = project.router()
    assert router.ledger.verify().ok
    router.close()


FORK = """
import json, os, sys
from stripe_billing_router import charge, get_router

before = charge("finance:bot", 1)
read, write = os.pipe()
pid = os.fork()
if pid == 0:
    os.write(write, charge("finance:bot", 2).id.encode())
    os._exit(0)
mine = charge("finance:bot", 3)
_, status = os.waitpid(pid, 0)
theirs = os.read(read, 1000).decode()
checked = get_router().ledger.verify()
print(json.dumps([status, theirs, [before.id, mine.id], checked.ok, checked.entries]))
"""


def test_after_a_fork_parent_and_child_can_charge(project: Project) -> None:
    status, theirs, ours, ok, entries = json.loads(project.run(FORK))
    assert (status, ok, entries) == (0, True, 3)
    assert len({theirs, *ours}) == 3
    assert sorted(project.moved()) == [100, 200, 300]


FORK_WHILE_OPENING = """
import os, signal, sys, threading, time
from stripe_billing_router import BillingRouter, charge, set_router

set_router(BillingRouter(recover_at_start=False))
opening = threading.Thread(target=charge, args=("finance:bot", 1))
opening.start()


def waits_for_the_database():
    frame = sys._current_frames().get(opening.ident)
    while frame is not None:
        if getattr(frame.f_locals.get("compiled"), "sql", "") == "BEGIN IMMEDIATE":
            return True
        frame = frame.f_back
    return False


end = time.monotonic() + 20
while not waits_for_the_database():
    assert time.monotonic() < end, "nothing waits"
print("forking", flush=True)
pid = os.fork()
if pid == 0:
    signal.alarm(20)
    charge("finance:bot", 2)
    os._exit(0)
opening.join()
print(os.waitpid(pid, 0)[1])
"""


def test_a_fork_while_another_thread_opens_the_ledger_does_not_hang_the_child(
    project: Project,
) -> None:
    (project.folder / "finance_logs").mkdir()
    path = project.folder / "finance_logs" / "stripe_ledger.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as blocker:
        blocker.execute("PRAGMA journal_mode=WAL")
        blocker.execute("BEGIN IMMEDIATE")
        process = project.start(FORK_WHILE_OPENING)
        assert process.stdout is not None
        assert process.stdout.readline() == "forking\n"
        blocker.execute("ROLLBACK")
    out, err = process.communicate(timeout=30)
    assert out == "0\n", err
    assert sorted(project.moved()) == [100, 200]


NEW_LEDGERS = """
import sys, threading
from stripe_billing_router.client import BillingRouter

failed = []


def charge(number, start):
    router = BillingRouter(ledger_url=f"sqlite:///new{number}.db")
    start.wait()
    try:
        router.charge("finance:bot", 5)
    except BaseException as error:
        failed.append(repr(error))
    router.close()


for round in range(2):
    start = threading.Barrier(4)
    threads = [threading.Thread(target=charge, args=(f"{round}{n}", start)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
print(len(failed), failed)
"""


def test_new_ledgers_that_are_made_at_once_do_not_disturb_each_other(project: Project) -> None:
    assert project.run(NEW_LEDGERS) == "0 []"
    assert project.moved() == [500] * 8
