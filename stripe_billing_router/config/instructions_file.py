"""The billing instructions in force: read again when the file changes."""

from __future__ import annotations

import logging
from pathlib import Path

from ..errors import ConfigurationError
from ..locks import ForkSafeLock
from ..models import BillingInstructions
from .instructions import load_instructions, with_shipped

_log = logging.getLogger(__name__)

_Stamp = tuple[int, int, int]


class InstructionsFile:
    """Call it for the instructions in force. Without a file they are the defaults, and the shipped
    texts stand wherever a file has none of its own.

    A file that has changed for the worse is logged, and the last good one stays in force.
    """

    def __init__(self, path: Path) -> None:
        """Read the file, if there is one; ConfigurationError with its faults."""
        self._path = path
        self._lock = ForkSafeLock()
        self._stamp = _stamp(path)
        self._good = self._read(self._stamp)
        self._whole: BillingInstructions | None = None

    def __call__(self) -> BillingInstructions:
        stamp, whole = _stamp(self._path), self._whole
        if whole is None or stamp != self._stamp:
            with self._lock:
                self._read_again(stamp)
                whole = self._whole = self._whole or with_shipped(self._good)
        return whole

    def _read(self, stamp: _Stamp | None) -> BillingInstructions:
        return BillingInstructions() if stamp is None else load_instructions(self._path)

    def _read_again(self, stamp: _Stamp | None) -> None:
        if stamp == self._stamp:
            return
        # Noted first: a broken file is told once, not at every look.
        self._stamp = stamp
        try:
            self._good = self._read(stamp)
            self._whole = None
        except ConfigurationError as error:
            _log.error("the last good billing instructions stay in force. %s", error)
        else:
            _log.info("read %s again", self._path)


def _stamp(path: Path) -> _Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
