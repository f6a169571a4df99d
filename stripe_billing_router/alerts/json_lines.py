"""A file to which several processes append lines of JSON, and whose backups nobody overwrites."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..backups import set_aside
from ..hashing import canonical_json
from ..locks import file_lock

_log = logging.getLogger(__name__)

_LOCK_SECONDS = 2.0
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC


class JsonLines:
    """One JSON object a line. Past `max_bytes` the file is put aside as `NAME.1`, `NAME.2`, …"""

    def __init__(self, path: Path, max_bytes: int | None = None) -> None:
        self._path = path
        self._max_bytes = max_bytes

    def append(self, record: Mapping[str, Any]) -> None:
        """Append one line, whole or not at all; OSError if that cannot be done."""
        line = canonical_json(record).encode() + b"\n"
        self._path.parent.mkdir(0o700, parents=True, exist_ok=True)
        with self._locked():
            if self._max_bytes is not None:
                self._put_aside_if_full(len(line), self._max_bytes)
            self._write(line)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the file's lock. Without it, after a while: a line in a file that was just put
        aside is better than none, and an append is one write."""
        lock = file_lock(f"{self._path}.lock", _LOCK_SECONDS)
        try:
            lock.acquire()
        except TimeoutError:
            _log.warning("the lock of %s is held for too long; going on without it", self._path)
        try:
            yield
        finally:
            lock.release()

    def _write(self, line: bytes) -> None:
        # A named pipe that nobody reads would hold up the payment.
        descriptor = os.open(self._path, _FLAGS | os.O_NONBLOCK, 0o600)
        try:
            before = os.fstat(descriptor).st_size
            if os.write(descriptor, line) != len(line):
                os.ftruncate(descriptor, before)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
        finally:
            os.close(descriptor)

    def _put_aside_if_full(self, more: int, max_bytes: int) -> None:
        size = self._path.stat().st_size if self._path.is_file() else 0
        if size == 0 or size + more <= max_bytes:
            return
        try:
            set_aside(self._path)
        except OSError as error:  # it grows on: a line too many is better than one too few
            _log.warning("%s could not be put aside: %s", self._path, error.strerror)
