"""Work that must not break what it follows, even if the log that hears of it is broken too."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from contextlib import suppress

from .secrecy import loggable


def attempt(log: logging.Logger, failure: str, work: Callable[[], object]) -> bool:
    """Do `work`; return False, and log `failure`, if it fails. A host's code may even exit."""
    before = sys.exception()
    try:
        work()
    except _failures() as error:
        with suppress(Exception):
            log.error(failure, exc_info=loggable(error, before))
        return False
    return True


def _failures() -> tuple[type[BaseException], ...]:
    """A task of the host's own that is cancelled has failed; nothing here is a task."""
    tasks = sys.modules.get("asyncio")  # whoever raises its error has imported it
    cancelled = () if tasks is None else (tasks.CancelledError,)
    return (Exception, SystemExit, *cancelled)
