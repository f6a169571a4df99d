"""Who holds a lease: whether that process is provably gone, or its call provably under way."""

from __future__ import annotations

import os
import uuid
from functools import lru_cache
from pathlib import Path
from threading import Lock
from weakref import WeakValueDictionary

_STATE, _START = 0, 19
_ENDED = frozenset("ZXx")
"""Zombies have ended; only their parent has not looked yet."""


def me() -> str:
    """Return `boot:namespace:pid:start`, which no other process ever has.

    Where the system does not tell, it is a random name: then only this process knows itself.
    """
    return _identity(os.getpid())


_RUNNING: WeakValueDictionary[str, Lock] = WeakValueDictionary()
"""The calls of this process by the operation that each opens."""


def running(operation_id: str) -> Lock:
    """Return what a call holds, by `with`, from before it opens an operation until it ends.

    It is a lock because `with` lets one go however the call is interrupted: a call that left a
    doubt behind which nobody could write down must not be taken for one under way.
    """
    held = Lock()
    _RUNNING[operation_id] = held
    return held


def runs_here(operation_id: str) -> bool:
    """Say whether a call of this process that opened this operation has not ended yet."""
    held = _RUNNING.get(operation_id)
    return held is not None and held.locked()


RECOVERS = "recovery:"
"""What stands before the name of a process that holds a lease to settle, not to send."""


def provably_dead(owner: str | None) -> bool:
    """Say whether `owner` lived on this boot of this host and lives no longer."""
    known = _on_this_host(owner)
    return known is not None and _is_gone(*known)


def provably_alive(owner: str | None, operation_id: str) -> bool:
    """Say whether the call that opened an operation surely still runs.

    Of this process, that is known; of another one of this host, that the process runs has to do.
    """
    if owner == me():
        return runs_here(operation_id)
    known = None if owner and owner.startswith(RECOVERS) else _on_this_host(owner)
    if known is None:
        return False
    pid, start = known
    found = _stat(pid)
    return found is not None and found[_START] == start and found[_STATE] not in _ENDED


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
