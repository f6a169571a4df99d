"""What the processes of a host have begun without a key, for the time when no database tells.

Each process has a file of its own in one folder, locked as long as it lives: a line for each intent
before it is written, and one for its end. Nothing is synchronised: what has to be survived is the
death of a process, not of the host.
"""

from __future__ import annotations

import errno
import logging
import os
import stat
import uuid
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import LedgerUnavailableError
from ..locks import ForkSafeLock
from ..models import OperationState
from ..ports import TwinInDoubt
from .twins import IsAlive

try:
    import fcntl
except ImportError:  # no such locks on this system: every other process counts as dead
    fcntl = None  # type: ignore[assignment]

_log = logging.getLogger(__name__)

_WRITTEN_ANEW_FROM = 64 * 1024
"""Bytes; a file that holds mostly what has ended is followed by another."""

_LARGEST = 64 * 1024 * 1024
"""Characters; half a million open operations of one process have room in it."""

IsSettled = Callable[[str], bool]
"""Says of an operation whether the database shows that nobody can be in doubt about it."""


class Underway:
    """Notes what this process begins and ends; `refuse` goes by what the others have noted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = ForkSafeLock()
        self._mine: Path | None = None
        self._file = self._size = 0
        self._told = False
        self._open: dict[str, tuple[str, str]] = {}
        _all.add(self)

    def begins(self, operation_id: str, input_hash: str) -> None:
        """Note an intent that is about to be written. A folder that cannot be written is told."""
        with self._lock:
            self._open[operation_id] = ("+", input_hash)
            self._note(f"+ {operation_id} {input_hash}\n")

    def doubts(self, operation_id: str) -> None:
        """Note that an operation is in doubt, whether or not anybody can write that down."""
        with self._lock:
            if operation_id in self._open:
                _, input_hash = self._open[operation_id]
                self._open[operation_id] = ("?", input_hash)
                self._note(f"? {operation_id} {input_hash}\n")

    def ends(self, operation_id: str) -> None:
        """Note that nobody can be in doubt about an operation any more."""
        with self._lock:
            if self._open.pop(operation_id, None) is not None:
                self._note(f"- {operation_id} .\n")

    def refuse(self, input_hash: str, is_alive: IsAlive) -> None:
        """Raise TwinInDoubt if an equal operation of another process may have had its effect: if it
        is in doubt, or its call does not provably run any more.

        LedgerUnavailableError if that cannot be seen.
        """
        try:
            for path in self._others():
                for operation_id, state in _in_doubt(path, input_hash, is_alive):
                    raise TwinInDoubt(operation_id, state)
        except OSError as error:
            raise LedgerUnavailableError(
                f"{self._folder} cannot be read ({error.strerror}), so nothing is sent while the "
                "ledger's database is away. Make it readable, or give an idempotency_key."
            ) from None

    def sweep(self, is_settled: IsSettled) -> None:
        """Remove the files of processes that have died, and whose operations are all settled."""
        with suppress(OSError):
            for path in self._others():
                with suppress(OSError), self._held_by_nobody(path) as dead:
                    if dead and all(map(is_settled, _noted(path))):
                        path.unlink()

    def close(self) -> None:
        """Leave nothing behind if there is nothing that others have to know."""
        with self._lock:
            if self._mine is not None and not self._open:
                with suppress(OSError):
                    self._mine.unlink()
                self._let_go()

    def _others(self) -> Iterator[Path]:
        with suppress(FileNotFoundError):
            for path in sorted(self._folder.iterdir()):
                if path != self._mine:
                    yield path

    @contextmanager
    def _held_by_nobody(self, path: Path) -> Iterator[bool]:
        """Say whether the process that the file is of has died."""
        descriptor = _opened(path)
        try:
            yield _locked(descriptor, wait=False)
        finally:
            os.close(descriptor)

    def _note(self, line: str) -> None:
        try:
            if self._mine is None:
                self._make()
            os.write(self._file, line.encode())
            self._size += len(line)
            if self._size > _WRITTEN_ANEW_FROM * (1 + len(self._open) // 100):
                self._write_anew()
        except OSError as error:
            if not self._told:
                self._told = True
                _log.warning(
                    "%s cannot be written (%s): while the ledger's database is away, other "
                    "processes cannot see what this one has begun",
                    self._folder,
                    error.strerror,
                )

    def _write_anew(self) -> None:
        """The old file goes when the new one is whole: whoever reads meanwhile sees both."""
        old, let_go = self._mine, self._closing
        self._mine = None
        self._make()
        lines = [f"{kind} {name} {asked}\n" for name, (kind, asked) in self._open.items()]
        os.write(self._file, "".join(lines).encode())
        if old is not None:
            old.unlink()
        let_go()

    def _make(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        while self._mine is None:
            path = self._folder / uuid.uuid4().hex
            self._file = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
            _locked(self._file, wait=True)
            self._size = 0
            if os.fstat(self._file).st_nlink:  # nobody took it for a dead one's, and removed it
                self._mine, self._closing = path, weakref.finalize(self, os.close, self._file)
            else:
                os.close(self._file)

    def _let_go(self) -> None:
        if self._mine is not None:
            self._mine = None
            self._closing()

    def _forget_parents(self) -> None:
        self._let_go()
        self._open = {}


def _in_doubt(path: Path, input_hash: str, is_alive: IsAlive) -> list[tuple[str, OperationState]]:
    with suppress(FileNotFoundError):
        equal = [name for name, (_, asked) in _noted(path).items() if asked == input_hash]
        over = [name for name in equal if not is_alive("", name)]
        noted = _noted(path)  # once more: a call that has ended well has noted that before
        return [
            (name, OperationState.UNKNOWN if noted[name][0] == "?" else OperationState.PENDING)
            for name in equal
            if name in noted and (name in over or noted[name][0] == "?")
        ]
    return []


def _noted(path: Path) -> dict[str, tuple[str, str]]:
    """Return what has not ended, each with `+` or `?` and what it was asked for."""
    found: dict[str, tuple[str, str]] = {}
    with open(_opened(path), encoding="utf-8", errors="replace") as file:
        noted = file.read(_LARGEST + 1)
    if len(noted) > _LARGEST:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    for fields in map(str.split, noted.splitlines()):
        if len(fields) != 3:  # a full disk has torn it
            continue
        kind, operation_id, input_hash = fields
        if kind == "-":
            found.pop(operation_id, None)
        else:
            found[operation_id] = (kind, input_hash)
    return found


def _opened(path: Path) -> int:
    """Open what a process has noted; OSError for anything else, which could keep a reader waiting
    or lead elsewhere."""
    descriptor = os.open(path, os.O_RDONLY | _AT_ONCE)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file")
    return descriptor


_AT_ONCE = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)


def _locked(descriptor: int, *, wait: bool) -> bool:
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


_all: weakref.WeakSet[Underway] = weakref.WeakSet()


def _forget_all() -> None:
    """A child that kept its parent's file open would make it seem to live on."""
    for underway in list(_all):
        underway._forget_parents()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
