"""Locks that know of `fork`: a child finds them open, whatever its parent was doing.

And whether anybody waits for a call that a thread makes for somebody else.
"""

from __future__ import annotations

import logging  # noqa: F401 - see LateImports
import os
import time
import weakref
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from contextvars import ContextVar
from importlib import import_module
from threading import Lock, RLock, get_ident, local
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from filelock import FileLock


class ForkSafeLock:
    """A lock for `with`; in a forked child it starts anew, for its holder did not come along."""

    __slots__ = ("__weakref__", "_lock")

    def __init__(self) -> None:
        self._lock = Lock()
        _all.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock.release()

    def renew(self) -> None:
        """Forget who holds it."""
        self._lock = Lock()


_all: weakref.WeakSet[ForkSafeLock] = weakref.WeakSet()


def _renew_all() -> None:
    for lock in list(_all):
        lock.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)


class Caller:
    """Who waits for the call of this context, until it `leaves`: then an equal call may be the same
    one, asked for again."""

    __slots__ = ("_held", "has_left")

    def __init__(self) -> None:
        self.has_left = False
        self._held: list[Closable] = []

    def holds(self, held: Closable) -> None:
        """Have something closed when nobody waits any more: one call may make another."""
        self._held.append(held)
        if self.has_left:
            held.close()

    def leaves(self) -> None:
        self.has_left = True
        for held in self._held:
            held.close()


class Closable(Protocol):
    def close(self) -> object: ...


CALLER: ContextVar[Caller | None] = ContextVar("stripe_billing_router_caller", default=None)
"""None: whoever called is on the stack."""


class LateImports:
    """A lock for imports that happen at first use; a fork waits for it, `patience` seconds at most.

    A child of a thread that forks while another one imports would wait for that module for ever:
    whoever imports it did not come along. What is registered last is held first, so `logging`,
    which modules use while they are imported, has to be there before: its lock is taken after ours.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._renew()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock.release()

    def _hold(self) -> bool:
        return self._lock.acquire(timeout=self._patience)

    def _let_go(self) -> None:
        self._lock.release()

    def _renew(self) -> None:
        self._lock = RLock()


LATE_IMPORTS = LateImports(patience=30.0)


def late(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the `__getattr__` of a package, which loads a module when a name of it is first asked
    for. `modules` has the names of each, with spaces between them."""
    homes = {name: module for module, names in modules.items() for name in names.split()}

    def load(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        with LATE_IMPORTS:
            return getattr(import_module(homes[name], package), name)

    return load


def file_lock(path: Path | str, timeout: float) -> FileLock:
    """Return a lock that holds across processes; TimeoutError if it cannot be had in time."""
    with LATE_IMPORTS:
        from filelock import FileLock  # noqa: PLC0415 - most processes lock no file

    return FileLock(path, timeout=timeout, mode=0o600)


class ForkGate:
    """What must not be under way in another thread while a process forks.

    A fork waits, `patience` seconds at most, until nobody else is inside, and keeps others out
    until it is done.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._before: set[weakref.WeakMethod[Callable[[], None]]] = set()
        self._renew()
        with LATE_IMPORTS:  # no gate comes into being during a fork, which would not have closed it
            _gates.append(self)

    def inside(self) -> AbstractContextManager[object]:
        """Return a context that is inside; another thread may leave it than entered."""
        return _Visit(self)

    def before_fork(self, method: Callable[[], None]) -> None:
        """Have a method called before each fork for which everybody has left."""
        self._before.add(weakref.WeakMethod(method, self._before.discard))

    def enter(self, visit: _Visit) -> None:
        # Known weakly, for an interrupt may keep it from leaving.
        with self._entrance:
            self._visits.add(weakref.ref(visit, self._visits.discard))

    def leave(self, visit: _Visit) -> None:
        """Without a lock: a generator may be closed wherever Python collects garbage."""
        self._visits.discard(weakref.ref(visit))

    def _close(self) -> None:
        me, end = get_ident(), time.monotonic() + self._patience
        self._entrance.acquire()
        while self._holds_another_than(me) and time.monotonic() < end:
            time.sleep(_POLL)
        if not self._holds_another_than(me):
            for known in tuple(self._before):
                method = known()
                if method is not None:
                    method()

    def _holds_another_than(self, thread: int) -> bool:
        visits = [known() for known in tuple(self._visits)]
        return any(visit is not None and visit.thread != thread for visit in visits)

    def _open(self) -> None:
        self._entrance.release()

    def _renew(self) -> None:
        self._entrance = RLock()
        self._visits: set[weakref.ref[_Visit]] = set()


_POLL = 0.001
_gates: list[ForkGate] = []


class _Held(local):
    """What the fork under way in this thread has closed, and has to open in the parent."""

    def __init__(self) -> None:
        self.gates: list[ForkGate] = []
        self.imports = False


_held = _Held()


def _before_fork() -> None:
    """Gates come first, for whoever is inside may import. One may be made while imports are waited
    for: then they are given up once more, until it is closed too."""
    while True:
        for gate in _gates[len(_held.gates) :]:
            _held.gates.append(gate)
            gate._close()
        _held.imports = LATE_IMPORTS._hold()
        if len(_held.gates) == len(_gates) or not _held.imports:
            return
        LATE_IMPORTS._let_go()


def _after_in_parent() -> None:
    if _held.imports:
        LATE_IMPORTS._let_go()
    while _held.gates:
        with suppress(RuntimeError):  # an interrupt kept it from being closed
            _held.gates.pop()._open()


def _after_in_child() -> None:
    LATE_IMPORTS._renew()
    for gate in _gates:
        gate._renew()
    _held.gates.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_in_parent, after_in_child=_after_in_child
    )


class _Visit:
    __slots__ = ("__weakref__", "_gate", "thread")

    def __init__(self, gate: ForkGate) -> None:
        self._gate = gate

    def __enter__(self) -> None:
        self.thread = get_ident()
        self._gate.enter(self)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._gate.leave(self)
