"""A child of a process whose threads are at work finds the database free."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from stripe_billing_router.locks import ForkGate

FORKS = int(os.environ.get("FORKS", "60"))

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


@needs_fork
def test_no_child_waits_for_what_a_thread_of_its_parent_was_at(tmp_path: Path) -> None:
    module = "tests.integration.store.forking"
    done = subprocess.run(
        [sys.executable, "-m", module, str(tmp_path / "ledger.db"), str(FORKS)],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert done.stdout == "0\n", done.stderr


@needs_fork
def test_what_a_child_commits_after_its_parent_has_closed_is_in_the_file(tmp_path: Path) -> None:
    module = "tests.integration.store.outliving"
    done = subprocess.run(
        [sys.executable, "-m", module, str(tmp_path / "ledger.db")],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert done.stdout == "7\n", done.stderr


class Gate(ForkGate):
    """As the system would call it around a fork."""

    def fork(self) -> None:
        self._close()
        self._open()

    def be_a_child(self) -> None:
        self._close()
        self._renew()


class Closed:
    times = 0

    def close(self) -> None:
        self.times += 1


def test_a_fork_waits_until_everybody_has_left() -> None:
    gate = Gate(60)
    visit = gate.inside()
    other = threading.Thread(target=visit.__enter__)
    other.start()
    other.join()
    leaves = threading.Timer(0.05, visit.__exit__, (None, None, None))
    began = time.monotonic()
    leaves.start()
    gate.fork()
    assert 0.05 <= time.monotonic() - began < 30


def test_a_fork_waits_no_longer_than_its_patience() -> None:
    gate = Gate(0.05)
    visit = gate.inside()
    other = threading.Thread(target=visit.__enter__)
    other.start()
    other.join()
    gate.fork()
    with gate.inside():
        pass


def test_what_has_to_be_closed_before_a_fork_is_closed_when_nobody_is_inside() -> None:
    gate, closed = Gate(0.05), Closed()
    gate.before_fork(closed.close)
    gate.fork()
    assert closed.times == 1
    visit = gate.inside()
    other = threading.Thread(target=visit.__enter__)
    other.start()
    other.join()
    gate.fork()
    assert closed.times == 1


def test_nobody_enters_while_a_fork_goes_on() -> None:
    gate = Gate(60)
    entered = threading.Event()

    def enter() -> None:
        with gate.inside():
            entered.set()

    gate._close()
    other = threading.Thread(target=enter)
    other.start()
    assert not entered.wait(0.05)
    gate._open()
    other.join()
    assert entered.is_set()


def test_who_forks_while_inside_waits_for_nobody_and_the_child_may_leave() -> None:
    gate = Gate(60)
    with gate.inside():
        gate.fork()
        gate.be_a_child()
        with gate.inside():
            pass
    gate.fork()


SERVER_FORK = """
import os, sys
from sqlalchemy import text
from stripe_billing_router.engine.clock import SystemClock
from stripe_billing_router.store.database import Database
from stripe_billing_router.store.prepared import Prepared

database = Database(sys.argv[1], SystemClock())

def who():
    with database.write() as connection:
        return Prepared(text(sys.argv[2])).scalar(connection, {})

before = who()
child = os.fork()
if child == 0:
    sys.exit(0 if who() != before else 1)
status = os.waitpid(child, 0)[1]
print(status, who() == before)
database.close()
"""


@needs_fork
@pytest.mark.parametrize(
    ("server", "question"),
    [("postgres_url", "SELECT pg_backend_pid()"), ("mysql_url", "SELECT connection_id()")],
)
def test_a_child_that_ends_leaves_its_parents_connection_to_a_server_alone(
    server: str, question: str, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue(server)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SERVER_FORK, url, question],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("0 True\n", 0), done.stderr
