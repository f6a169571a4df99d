"""A process died with a payment under way, and then the database goes away.

Its intent is in the database, where nobody can see it now; its bot asks again in another process.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stripe_billing_router.client import BillingRouter
from stripe_billing_router.engine import SystemClock
from stripe_billing_router.engine.leases import provably_alive, running, runs
from stripe_billing_router.errors import LedgerUnavailableError, OutcomeUnknownError
from stripe_billing_router.sandbox import Fault
from stripe_billing_router.sandbox.server import real_time_world
from stripe_billing_router.store.underway import Underway
from tests.integration.charge import asks_again
from tests.integration.charge.charge_bench import BOT, CARD, CREATE, CUSTOMER, Bench
from tests.integration.charge.charge_server import serving
from tests.integration.journal.journal_bench import Outage, journal_of


@pytest.fixture
def base(bench: Bench) -> Iterator[str]:
    bench.database.unlink()
    bench.world = real_time_world()
    bench.world.add_customer(CUSTOMER, default_payment_method=CARD)
    with serving(bench.world) as server:
        yield server.base


def other_process(bench: Bench, base: str) -> subprocess.Popen[str]:
    """A process that asks for 5 once."""
    given = json.dumps([str(bench.config), bench.url, base, BOT, 5])
    command = [sys.executable, "-m", asks_again.__name__, given]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def dies_with_a_payment_under_way(bench: Bench, base: str) -> None:
    """The other process is killed between Stripe's effect and the answer."""
    pids: list[int] = []
    kill = Fault("call", CREATE, effect=True, call=lambda: os.kill(pids[0], signal.SIGKILL))
    bench.world.faults.add(kill)
    with other_process(bench, base) as dying:
        pids.append(dying.pid)
        assert dying.wait(60) == -signal.SIGKILL


def router_that_has_written(bench: Bench, base: str) -> BillingRouter:
    return bench.warm(api_base=base, clock=SystemClock())


def test_an_equal_call_is_refused_although_only_the_database_has_the_intent(
    bench: Bench, base: str, outage: Outage
) -> None:
    dies_with_a_payment_under_way(bench, base)
    router = router_that_has_written(bench, base)
    outage.begin()
    with pytest.raises(OutcomeUnknownError) as told:
        router.charge(BOT, 5)
    assert router.charge(BOT, 7).paid
    assert bench.moved() == [500, 700]
    outage.end()
    assert bench.operations()[0]["state"] == "pending"
    assert told.value.operation_id == bench.operations()[0]["operation_id"]


def test_what_a_process_has_brought_to_an_end_is_no_obstacle(
    bench: Bench, base: str, outage: Outage
) -> None:
    with other_process(bench, base) as other:
        assert other.communicate()[0].endswith("succeeded\n")
    router = router_that_has_written(bench, base)
    outage.begin()
    assert router.charge(BOT, 5).paid
    assert bench.moved() == [500, 500]


def test_calls_without_a_key_can_be_refused_while_the_database_is_away(
    bench: Bench, base: str, outage: Outage
) -> None:
    """For bots that run on several hosts, of which none sees what another has under way."""
    bench.config.write_text("recovery: {keyless_while_away: false}" + bench.config.read_text())
    router = router_that_has_written(bench, base)
    outage.begin()
    with pytest.raises(LedgerUnavailableError) as told:
        router.charge(BOT, 5)
    assert told.value.money == "not_moved"
    assert bench.moved() == []


def fifo(path: Path) -> None:
    os.mkfifo(path)


def link(path: Path) -> None:
    path.symlink_to("/dev/zero")


def huge(path: Path) -> None:
    path.touch()
    os.truncate(path, 65 * 1024 * 1024)


def in_time(call: Callable[[], Any]) -> Any:
    """Return what a call comes to; without its waiting for ever, if it does."""
    came: list[Any] = []

    def run() -> None:
        try:
            came.append(call())
        except Exception as error:  # noqa: BLE001 - it is what the call came to
            came.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(20)
    assert came, "it waits for ever"
    return came[0]


@pytest.mark.parametrize("plant", [fifo, link, huge])
def test_what_is_planted_beside_the_files_of_the_processes_holds_nobody_up(
    bench: Bench, base: str, outage: Outage, plant: Callable[[Path], None]
) -> None:
    """Only what cannot be decided without it is refused."""
    router_that_has_written(bench, base).close()
    folder = journal_of(bench).with_name("stripe_ledger.jsonl.underway")
    folder.mkdir(parents=True, exist_ok=True)
    plant(folder / "0000")
    router = in_time(lambda: router_that_has_written(bench, base))
    assert in_time(lambda: router.charge(BOT, 5)).paid
    outage.begin()
    refused = in_time(lambda: router.charge(BOT, 7))
    assert isinstance(refused, LedgerUnavailableError)
    assert refused.money == "not_moved"
    outage.end()
    assert in_time(lambda: router.charge(BOT, 7)).paid
    assert bench.moved() == [500, 700]


def nobody(owner: str | None, operation_id: str) -> bool:
    return False


def test_a_call_that_still_runs_is_no_obstacle_and_its_doubt_is_one(tmp_path: Path) -> None:
    here, there = Underway(tmp_path), Underway(tmp_path)
    there.begins("op_1", "equal")
    with running("op_1"):
        here.refuse("equal", provably_alive)
    with pytest.raises(Exception, match="op_1"):
        here.refuse("equal", provably_alive)
    here.refuse("another", provably_alive)
    there.doubts("op_1")
    with running("op_1"), pytest.raises(Exception, match="op_1"):
        here.refuse("equal", provably_alive)
    there.ends("op_1")
    here.refuse("equal", provably_alive)


def test_a_call_seems_to_run_in_no_child_of_its_process() -> None:
    """A child that kept what shows it would make the call seem to run on after its end."""
    with running("op_1"):
        child = os.fork()
        if child == 0:
            time.sleep(60)
            os._exit(0)
        while Path(f"/proc/{child}/stat").read_text().split()[2] != "S":
            assert runs("op_1")
    still = runs("op_1")
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert not still


def test_a_child_does_not_make_its_parent_seem_to_live_on(tmp_path: Path) -> None:
    script = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from stripe_billing_router.store.underway import Underway\n"
        "mine = Underway(Path(sys.argv[1]))\n"
        "mine.begins('op_1', 'equal')\n"
        "if os.fork() == 0:\n"
        "    sys.stdin.read()\n"
        "    os._exit(0)\n"
        "os._exit(0)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as parent:
        parent.wait(60)
        with pytest.raises(Exception, match="op_1"):
            Underway(tmp_path).refuse("equal", nobody)
        assert parent.stdin is not None
        parent.stdin.close()


def test_files_of_dead_processes_stay_until_everything_in_them_is_settled(
    bench: Bench, base: str
) -> None:
    dies_with_a_payment_under_way(bench, base)
    folder = journal_of(bench).with_name("stripe_ledger.jsonl.underway")
    assert len(list(folder.iterdir())) == 1
    router_that_has_written(bench, base).close()
    assert len(list(folder.iterdir())) == 1
    Underway(folder).sweep(lambda operation_id: True)
    assert list(folder.iterdir()) == []


def test_the_file_stays_small_however_much_is_brought_to_an_end(tmp_path: Path) -> None:
    here, there = Underway(tmp_path), Underway(tmp_path)
    there.begins("op_in_doubt", "equal")
    there.doubts("op_in_doubt")
    for number in range(3000):
        there.begins(f"op_{number}", "f" * 64)
        there.ends(f"op_{number}")
    (file,) = tmp_path.iterdir()
    assert file.stat().st_size < 100_000
    with pytest.raises(Exception, match="op_in_doubt"):
        here.refuse("equal", nobody)
    here.refuse("f" * 64, nobody)
