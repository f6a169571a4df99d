"""Who holds a lease, and whether that process is provably gone from this host."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

_STATE, _START = 0, 19
_ENDED = frozenset("ZXx")
"""Zombies have ended; only their parent has not looked yet."""


def me() -> str:
    """Return `boot:namespace:pid:start`, which no other process ever has; "" where unknown."""
    return _identity(os.getpid())


def provably_dead(owner: str | None) -> bool:
    """Say whether `owner` lived on this boot of this host and lives no longer."""
    here = _here()
    if not owner or here is None or not owner.startswith(here + ":"):
        return False
    pid, _, start = owner.removeprefix(here + ":").partition(":")
    return pid.isdigit() and bool(start) and _is_gone(int(pid), start)


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
    return f"{here}:{pid}:{found[_START]}" if here and found else ""


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
