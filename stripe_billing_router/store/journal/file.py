"""The journal's file. Several processes use it at once, one at a time, under a file lock."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...backups import set_aside
from ...errors import LedgerTamperedError, LedgerUnavailableError
from ...json_lines import sync_folder
from ...locks import ForkSafeLock, file_lock
from ...ports import Event
from ..codec import Sealing
from . import disk
from .codec import CORE, Codec
from .lines import DamagedLine, Kind, Line, following, line_of
from .view import View

_PATIENCE = 60.0
"""Seconds to wait for other processes; a batch of a drain takes a fraction of one."""

_POLL = 0.005
_ROTATED_FROM = 4 * 1024 * 1024

Stamp = tuple[int, int]
"""Inode and size: what has not changed holds nothing new."""


class JournalFile:
    """`view`, `last` and `damage` (what is wrong with the first bad line) are up to date inside
    `locked()`. What is appended is durable when `append` returns."""

    def __init__(
        self,
        path: Path,
        tell: Callable[[Event], None],
        sealing: Sealing | None = None,
        codec: Codec = CORE,
    ) -> None:
        self.path = path
        self.codec = codec
        self._sealing = sealing or Sealing()
        self._name = str(path)  # what every call of the system would be told anew
        self._tell = tell
        self._threads = ForkSafeLock()
        self._events: list[Event] = []
        self._inode = self._offset = self._pid = 0
        self._forget()

    def stamp(self) -> Stamp | None:
        """Return what the file looks like from outside; None if there is none."""
        try:
            found = os.stat(self._name)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._unusable(error) from None
        return found.st_ino, found.st_size

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other thread and process out, and read what they have written.

        LedgerUnavailableError if the file cannot be used. A torn last line is set aside.
        """
        try:
            with self._threads, self._file_lock(), self._all_or_nothing():
                self._catch_up()
                yield
        except TimeoutError:
            raise LedgerUnavailableError(
                f"The journal {self.path} has been locked by another process for {_PATIENCE:.0f} "
                "seconds. Find out what holds it up (a drain, or a process that stands still), "
                "then call again."
            ) from None
        except OSError as error:
            raise self._unusable(error) from None
        finally:
            events, self._events = self._events, []
            for event in events:
                self._tell(event)

    @contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        """What was interrupted, or forked away from, half-way is read anew from the file."""
        if self._pid != os.getpid():
            self._forget()
        try:
            yield
        except BaseException:
            self._forget()
            raise

    @property
    def journal_id(self) -> str:
        return str(self._header["journal"])

    @property
    def ledger(self) -> str | None:
        """The identity of the ledger that this journal belongs to; None for a new one."""
        return self._header.get("ledger")

    def begin(self, ledger: str, at_ms: int) -> None:
        """Make sure that the file is a journal of this ledger.

        One of another ledger is set aside if its lines are all drained, and refused if not.
        """
        if self.ledger not in (None, ledger) and self._is_drained():
            self._rotate()
        if self.ledger is None:
            self.append("header", at_ms, {"journal": uuid.uuid4().hex, "ledger": ledger})
        self.require(ledger)

    def require(self, ledger: str) -> None:
        """LedgerUnavailableError if the file belongs to another ledger."""
        if self.ledger != ledger:
            raise LedgerUnavailableError(
                f"The journal {self.path} holds what was written for another ledger. Drain it with "
                "that one's STRIPE_LEDGER_URL (`stripe-billing-router ledger drain`), or set "
                "STRIPE_LEDGER_FALLBACK to a file of this ledger's own."
            )

    def append(self, kind: Kind, at_ms: int, body: Mapping[str, Any]) -> Line:
        """Write a line; OSError or LedgerTamperedError, and nothing is written, if it cannot be."""
        self.refuse_damaged()
        line = following(self.last, kind, at_ms, body)
        line = replace(line, seal=self._sealing.line(line.hash))
        data = line.encoded()
        disk.append(self.path, self._offset, data)
        self._inode = os.stat(self.path).st_ino
        self._take(line, len(data))
        return line

    def finish(self, at_ms: int) -> None:
        """Note that every line is in the database; a file that has become large is set aside."""
        if not self._is_drained():
            self.append("drained", at_ms, {})
        if self._offset >= _ROTATED_FROM:
            self._rotate()

    def refuse_damaged(self) -> None:
        """LedgerTamperedError if there is a line that is not what was written."""
        if self.damage is not None:
            raise LedgerTamperedError(
                f"The journal {self.path} is damaged: {self.damage}. Nothing is sent meanwhile. "
                "Restore the file from a copy; or, if there is none, move it away and keep it, run "
                "`stripe-billing-router operations recover`, and compare what follows the damage "
                "with Stripe."
            )

    def _is_drained(self) -> bool:
        return self.damage is None and self.last is not None and not self.view.pending

    def _rotate(self) -> None:
        set_aside(self.path)
        self._forget()

    def _forget(self) -> None:
        self.view = View(self.codec)
        self.last: Line | None = None
        self.damage: str | None = None
        self._header: Mapping[str, Any] = {}
        self._inode, self._offset, self._pid = 0, 0, os.getpid()

    def _catch_up(self) -> None:
        """Read what has been added. A damaged file is read anew: it may have been mended."""
        stamp = self.stamp()
        inode, size = stamp or (0, 0)
        if inode != self._inode or size < self._offset or self.damage is not None:
            self._forget()
        if size == self._offset:
            return
        self._inode = inode
        with self.path.open("rb") as file:
            file.seek(self._offset)
            for text in file:
                if not text.endswith(b"\n"):
                    self._repair(text)
                elif not self._understood(text):
                    return

    def _understood(self, text: bytes) -> bool:
        try:
            line = line_of(text, self.last)
            believed = self._sealing.believes(line.seal, line.hash)
            self._take(replace(line, believed=believed), len(text))
        except DamagedLine as wrong:
            number = 1 if self.last is None else self.last.sequence + 1
            self.damage = f"line {number}: {wrong}"
            return False
        return True

    def _take(self, line: Line, size: int) -> None:
        if line.kind == "header":
            self._header = line.body
        self.last = line
        self._offset += size
        self.view.feed(line)

    def _repair(self, tail: bytes) -> None:
        """Cut off the line that a crash has torn: whoever wrote it never went on from there."""
        if self.last is None and tail.lstrip(b"\0")[:1] not in (b"", b"{"):
            self.damage = "line 1: it is no journal"
            return
        kept = disk.cut_off(self.path, self._offset, tail)
        message = f"the last line of {self.path} was torn by a crash; it is kept in {kept}"
        self._events.append(Event("ledger.journal_torn", "critical", message))

    def _file_lock(self) -> AbstractContextManager[object]:
        """Lock out other processes until the returned context ends."""
        folder = self.path.parent
        if not folder.is_dir():
            folder.mkdir(0o700, parents=True, exist_ok=True)
            sync_folder(folder.parent)
        lock = file_lock(f"{self.path}.lock", _PATIENCE)
        return lock.acquire(poll_interval=_POLL)

    def _unusable(self, error: OSError) -> LedgerUnavailableError:
        return LedgerUnavailableError(
            f"The journal {self.path} cannot be used ({error.strerror}). Make room, make its "
            "folder writable, or set STRIPE_LEDGER_FALLBACK."
        )
