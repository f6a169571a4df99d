"""Writers that share a commit: each fails alone, and none waits for ever."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine

from stripe_billing_router.errors import LedgerUnavailableError
from stripe_billing_router.store.queue import WriterQueue


class Interrupted(BaseException):
    """Somebody pressed Ctrl-C."""


class Database:
    """A database whose commits can be held up, and can fail."""

    def __init__(self, path: Path) -> None:
        self.engine = create_engine(f"sqlite:///{path}")
        self.free = threading.Event()
        self.free.set()
        self.begun = threading.Event()
        self.commits = 0
        self.good_for = 1000

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        self.begun.set()
        assert self.free.wait(timeout=10)
        with self.engine.begin() as connection:
            yield connection
            if self.commits >= self.good_for:
                raise LedgerUnavailableError("The disk is full. Make room.")
        self.commits += 1


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(tmp_path / "any.db")
    yield made
    made.engine.dispose()


def in_thread(call: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    return thread


def nothing(_: Any) -> None:
    """A work that writes nothing."""


def waiting(queue: WriterQueue, count: int) -> None:
    """Wait until so many writers stand in the queue."""
    while len(queue._waiting) < count:
        pass


@contextmanager
def interrupted_soon() -> Iterator[None]:
    def interrupt(*_: object) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_writer_that_is_interrupted_while_it_waits_leaves_the_way_free(
    database: Database,
) -> None:
    queue = WriterQueue(database.transaction)
    database.free.clear()
    first = in_thread(lambda: queue.run(nothing))
    assert database.begun.wait(timeout=10)
    with pytest.raises(Interrupted), interrupted_soon():
        queue.run(nothing)
    database.free.set()
    first.join(timeout=10)
    next_one = in_thread(lambda: queue.run(nothing))
    next_one.join(timeout=1)
    assert not next_one.is_alive()


def test_a_writer_that_is_interrupted_while_it_commits_leaves_the_way_free(
    database: Database,
) -> None:
    queue = WriterQueue(database.transaction)

    def stuck(_: Any) -> None:
        threading.Event().wait(timeout=10)

    with pytest.raises(Interrupted), interrupted_soon():
        queue.run(stuck)
    next_one = in_thread(lambda: queue.run(nothing))
    next_one.join(timeout=1)
    assert not next_one.is_alive()


def test_writers_that_fail_together_have_errors_of_their_own(database: Database) -> None:
    """An error carries the operation it is about: two callers must not share one."""
    queue = WriterQueue(database.transaction)
    database.free.clear()
    database.good_for = 1
    told: list[BaseException] = []

    def write() -> None:
        try:
            queue.run(nothing)
        except LedgerUnavailableError as error:
            told.append(error)

    first = in_thread(lambda: queue.run(nothing))
    assert database.begun.wait(timeout=10)
    others = [in_thread(write) for _ in range(2)]
    waiting(queue, 2)
    database.free.set()
    for thread in (first, *others):
        thread.join(timeout=10)
    assert len(told) == len({id(error) for error in told}) == 2


def test_one_writer_s_mistake_is_its_own(database: Database) -> None:
    queue = WriterQueue(database.transaction)
    database.free.clear()
    told: list[str] = []

    def wrong(_: Any) -> None:
        raise ValueError("mine")

    def write(work: Callable[[Any], None], name: str) -> None:
        try:
            queue.run(work)
        except ValueError as error:
            told.append(f"{name}: {error}")
        else:
            told.append(f"{name}: done")

    first = in_thread(lambda: write(nothing, "first"))
    assert database.begun.wait(timeout=10)
    others = [
        in_thread(lambda: write(wrong, "wrong")),
        in_thread(lambda: write(nothing, "right")),
    ]
    waiting(queue, 2)
    database.free.set()
    for thread in (first, *others):
        thread.join(timeout=10)
    assert sorted(told) == ["first: done", "right: done", "wrong: mine"]
