"""The right to send for an operation, held for a while and checked before each send; and who holds
it: whether that process is provably gone, or its call provably under way."""

from __future__ import annotations

import os
import socket
import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from io import FileIO
from pathlib import Path
from weakref import WeakValueDictionary

from ..models import OperationState, TakeLease, Write
from ..ports import Clock, StaleLease, Store

_MARGIN = 10.0


@dataclass(slots=True)
class Lease:
    """A lease that this call holds. It is measured here by a clock that counts suspension, from
    before the commit that took it, so that it ends here no later than in the database.

    After `sends_until`, by the same clock, its holder sends nothing any more."""

    operation_id: str
    token: str
    seconds: float
    taken: float
    sends_until: float | None = None
    to_send: bool = True

    def left(self, clock: Clock) -> float:
        """Return the seconds for which it surely still holds."""
        return self.seconds - (clock.elapsed() - self.taken)


class Leases:
    """Makes, takes and renews leases for sends that take at most `longest_send` seconds, and are
    repeated for at most `sendable_for_ms`."""

    def __init__(
        self, store: Store, clock: Clock, longest_send: float, sendable_for_ms: int
    ) -> None:
        self._store = store
        self._clock = clock
        self._needed = longest_send + _MARGIN
        self._sendable_for_ms = sendable_for_ms
        self.seconds = 2 * self._needed

    @property
    def milliseconds(self) -> int:
        return int(self.seconds * 1000)

    def new(self, operation_id: str) -> Lease:
        """Return a lease that the caller is about to write into the database."""
        return Lease(operation_id, uuid.uuid4().hex, self.seconds, self._clock.elapsed())

    def take(
        self,
        operation_id: str,
        previous_token: str | None,
        states: frozenset[OperationState],
        *,
        by_force: bool = False,
        to_send: bool = True,
        writes: Sequence[Write] = (),
    ) -> Lease:
        """Take over an operation; `writes` go into the same commit.

        StaleLease if another holds it, it has moved on, or, if it is taken `to_send` for it, its
        first send is too long ago.
        """
        lease = self.new(operation_id)
        lease.to_send = to_send
        self._store.commit(self._taking(lease, previous_token, states, by_force), *writes)
        return lease

    def _taking(
        self,
        lease: Lease,
        previous_token: str | None,
        states: frozenset[OperationState],
        by_force: bool,
    ) -> TakeLease:
        return TakeLease(
            lease.operation_id,
            previous_token,
            states,
            lease.token,
            self.milliseconds,
            me() if lease.to_send else RECOVERS + me(),
            self._sendable_for_ms if lease.to_send else None,
            by_force,
        )

    def renew(self, lease: Lease, writes: Sequence[Write] = ()) -> None:
        """Begin the lease anew; `writes` go into the same commit. StaleLease if it was taken over.

        What its holder writes otherwise could change an operation that is another's by then. The
        token stays: whether or not a commit that breaks off has happened, it closes the operation.
        """
        taken = self._clock.elapsed()
        pending = frozenset({OperationState.PENDING})
        self._store.commit(self._taking(lease, lease.token, pending, by_force=True), *writes)
        lease.taken = taken

    def ensure(self, lease: Lease) -> None:
        """Make sure that the lease outlives the next send.

        StaleLease if it was taken over, or if its holder's time to send is over.
        """
        if lease.left(self._clock) < self._needed:
            self.renew(lease)
        if lease.sends_until is not None and self._clock.elapsed() > lease.sends_until:
            raise StaleLease(lease.operation_id)


_STATE, _START = 0, 19
_ENDED = frozenset("ZXx")
"""Zombies have ended; only their parent has not looked yet."""


def me() -> str:
    """Return `boot:namespace:pid:start`, which no other process ever has.

    Where the system does not tell, it is a random name: then only this process knows itself.
    """
    return _identity(os.getpid())


_RUNNING: WeakValueDictionary[str, FileIO] = WeakValueDictionary()
"""The keyless calls of this process by the operation that each opens."""


def running(operation_id: str) -> FileIO:
    """Return what a call holds, by `with`, from before it opens an operation until it ends.

    It is a socket whose name other processes of this host find while it is open, whoever they run
    as and wherever they keep their files: nothing has to be written, also by a call that leaves a
    doubt behind which nobody could write down. It is a file because `with` closes one however the
    call is interrupted; the system closes it if the process dies.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as shown:
            shown.bind(_name(operation_id))
            held = FileIO(shown.detach())
    except (AttributeError, OSError):  # no such names on this system: only this process knows
        held = FileIO(os.devnull)
    _RUNNING[operation_id] = held
    return held


def runs(operation_id: str) -> bool:
    """Say whether the call that opened this operation, here or in another process of this host,
    has surely not ended yet."""
    held = _RUNNING.get(operation_id)
    if held is not None:
        return not held.closed
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asking:
            asking.connect(_name(operation_id))
    except (AttributeError, OSError):
        return False
    return True


def _name(operation_id: str) -> str:
    """Return a name that the kernel forgets with the socket: it is in no file system."""
    if sys.platform != "linux":
        raise OSError
    return f"\0stripe-billing-router:{operation_id}"


def _forget_parents_calls() -> None:
    """A child that kept them open would make its parent's calls seem to run on."""
    for held in list(_RUNNING.values()):
        held.close()
    _RUNNING.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parents_calls)


RECOVERS = "recovery:"
"""What stands before the name of a process that holds a lease to settle, not to send."""


def provably_dead(owner: str | None) -> bool:
    """Say whether `owner` lived on this boot of this host and lives no longer."""
    known = _on_this_host(owner)
    return known is not None and _is_gone(*known)


def provably_alive(owner: str | None, operation_id: str) -> bool:
    """Say whether the call that opened an operation surely still runs, and holds its lease."""
    opened = owner is not None and not owner.startswith(RECOVERS)
    return opened and not provably_dead(owner) and runs(operation_id)


def _on_this_host(owner: str | None) -> tuple[int, str] | None:
    """Return pid and start of an owner of this boot and process namespace, else None."""
    here = _here()
    owner = (owner or "").removeprefix(RECOVERS)
    if here is None or not owner.startswith(here + ":"):
        return None
    pid, _, start = owner.removeprefix(here + ":").partition(":")
    return (int(pid), start) if pid.isdigit() and start else None


def _is_gone(pid: int, start: str) -> bool:
    """A process that cannot be looked at is not proven to be gone."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass  # it lives, and belongs to somebody else
    found = _stat(pid)
    return found is not None and (found[_STATE] in _ENDED or found[_START] != start)


@lru_cache(maxsize=8)
def _identity(pid: int) -> str:
    here, found = _here(), _stat(pid)
    return f"{here}:{pid}:{found[_START]}" if here and found else f"{uuid.uuid4()}:{pid}"


@lru_cache(maxsize=1)
def _here() -> str | None:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}:{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return None


def _stat(pid: int) -> list[str] | None:
    """Return the fields of /proc/PID/stat after the name, or None if it cannot be read."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
