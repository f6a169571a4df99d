"""Who holds a lease, and whether that process is provably gone from this host."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path


def me() -> str:
    """Return `boot:namespace:pid:start`, which no other process ever has; "" where unknown."""
    return _identity(os.getpid())


def provably_dead(owner: str | None) -> bool:
    """Say whether `owner` lived on this boot of this host and lives no longer."""
    here = _here()
    if not owner or here is None or not owner.startswith(here + ":"):
        return False
    pid, _, start = owner.removeprefix(here + ":").partition(":")
    return pid.isdigit() and bool(start) and _start_of(int(pid)) != start


@lru_cache(maxsize=8)
def _identity(pid: int) -> str:
    here, start = _here(), _start_of(pid)
    return f"{here}:{pid}:{start}" if here and start else ""


@lru_cache(maxsize=1)
def _here() -> str | None:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}:{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return None


def _start_of(pid: int) -> str | None:
    """Return when the process started, in clock ticks since boot, or None if there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return stat.rpartition(")")[2].split()[19]
