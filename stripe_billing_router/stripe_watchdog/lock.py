"""One run at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from ..errors import OperationInProgressError

LOCK: Final = "finance_logs/stripe_watchdog.lock"


@contextmanager
def only_run(home: Path) -> Iterator[None]:
    """Keep other runs out while the context lasts; the lock goes with its process, however killed.

    Raises OperationInProgressError where another run is at work.
    """
    path = home / LOCK
    path.parent.mkdir(0o700, parents=True, exist_ok=True)
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        busy = True
    else:
        busy = False
    if busy:
        raise OperationInProgressError(
            f"Another run of the watchdog is at work (it holds {path}); wait until it has ended."
        )
    try:
        yield
    finally:
        lock.release()
