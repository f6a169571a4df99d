"""Several processes write to one journal, several drain it, and all of them are killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

from stripe_billing_router.engine import SystemClock
from stripe_billing_router.models import OperationState
from stripe_billing_router.store import SqlStore
from tests.integration.journal.journal_process import store_on
from tests.integration.store.test_store_contract import BASE, make_store

ROOT = Path(__file__).parents[3]
SCRIPT = "tests.integration.journal.journal_process"


class Child:
    """A process, and what it has printed so far."""

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", SCRIPT, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self._out = self._process.stdout
        self.lines: list[str] = []
        assert self._out.readline() == "ready\n"
        self._reading = Thread(target=self._read)
        self._reading.start()

    def _read(self) -> None:
        for line in self._out:
            if line.endswith("\n"):
                self.lines.append(line.strip())

    def is_running(self) -> bool:
        return self._process.poll() is None

    def wait(self, seconds: float) -> None:
        """Wait for its end, at most so long."""
        self._reading.join(seconds)

    def killed(self) -> list[str]:
        """Kill it, and return what it has printed."""
        self.kill()
        return self.lines

    def kill(self) -> None:
        if self._out.closed:
            return
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._reading.join()
        self._out.close()


@contextmanager
def children(*orders: tuple[str, ...]) -> Iterator[list[Child]]:
    """Several processes at once; killed in the end."""
    started: list[Child] = []
    try:
        for order in orders:
            started.append(Child(*order))
        yield started
    finally:
        for child in started:
            child.kill()


def test_many_write_and_many_drain_and_nothing_is_lost_or_doubled(
    postgres_url: str, tmp_path: Path
) -> None:
    make_store(postgres_url).close()
    journal = str(tmp_path / "journal.jsonl")
    writers = [("write", postgres_url, journal, f"w{number}") for number in range(2)]
    drainers = [("drain", postgres_url, journal)] * 2
    with children(*writers, *drainers) as (first, second, drainer, _):
        _until_written((first, second), 20)
        drainer.kill()
        _until_written((first, second), 40)
        acknowledged = [name for writer in (first, second) for name in writer.killed()]
    store = store_on(
        SqlStore(postgres_url, SystemClock(), account_id="acct_1", api_base=BASE), journal
    )
    store.drain()
    entries = [entry.id for entry in store.ledger.entries()]
    assert len(entries) == len(set(entries))
    assert set(acknowledged) <= set(entries)
    for stream in {entry.stream for entry in store.ledger.entries()}:
        mine = [e.id for e in store.ledger.entries() if e.stream == stream]
        assert mine == sorted(mine, key=lambda name: int(name.rpartition("_")[2]))
    states = {o.operation_id: o.state for o in store.operations(limit=100_000)}
    assert {states[name] for name in entries} == {OperationState.SUCCEEDED}
    assert len(states) - len(entries) <= 2  # each writer was killed in the middle of one at most
    assert store.ledger.verify().ok
    store.close()


def _until_written(writers: Iterable[Child], number: int) -> None:
    for writer in writers:
        while len(writer.lines) < number:
            assert writer.is_running()
            writer.wait(0.01)
