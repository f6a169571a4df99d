"""Recovery at start-up, without holding up the first call."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Thread

from ..locks import ForkSafeLock

_log = logging.getLogger(__name__)

_PATIENCE = 10.0


class BackgroundRecovery:
    """Runs `recover` once, in a thread of its own. What it raises is logged: the next call tells
    its caller the same, and the next recovery tries again."""

    def __init__(self, recover: Callable[[], object]) -> None:
        self._recover = recover
        self._lock = ForkSafeLock()
        self._thread: Thread | None = None

    def once(self) -> None:
        """Start, unless it has been started before."""
        if self._thread is not None:
            return
        with self._lock:
            if self._thread is None:
                self._thread = Thread(target=self._run, name="stripe-recovery", daemon=True)
                self._thread.start()

    def wait(self) -> None:
        """Give a run that is under way a few seconds to end."""
        if self._thread is not None:
            self._thread.join(_PATIENCE)

    def _run(self) -> None:
        try:
            self._recover()
        except Exception:  # noqa: BLE001 - nobody is there to hear it
            _log.exception("the recovery at start-up was broken off")
