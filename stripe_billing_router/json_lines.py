"""Files of JSON lines that only grow: written durably, and mended after a crash in mid-write."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from .frozen import frozen

_BLOCK: Final = 65_536
_NEWLINE: Final = b"\n"


@frozen
class JsonLines:
    """One file; one process writes to it at a time. OSError where the file system refuses."""

    path: Path

    def append(self, *records: Mapping[str, Any]) -> None:
        """Write each record as a line; they are on the disk when this returns."""
        _write_durably(self.path, b"".join(_line(record) for record in records))

    def repair(self) -> int:
        """Mend the last line if a crash cut it off; returns how many bytes had to be dropped."""
        try:
            file = self.path.open("r+b")
        except FileNotFoundError:
            return 0
        with file:
            size = file.seek(0, os.SEEK_END)
            begin = _begin_of_last(file, size)
            file.seek(begin)
            rest = file.read()
            if rest and _parsed(rest) is None:
                file.truncate(begin)
            elif rest:
                file.write(_NEWLINE)
                rest = b""
            file.flush()
            os.fsync(file.fileno())
        return len(rest)

    def size(self) -> int:
        """Return how many bytes the file has; 0 if there is none."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def records(self, start: int = 0) -> Iterator[tuple[int, dict[str, Any] | None]]:
        """Yield `(line number, record)`; None for a line that is not a JSON object.

        `start` is the byte at which a line begins, and from which lines are counted.
        """
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            return
        with file:
            file.seek(start)
            for number, line in enumerate(file, 1):
                yield number, _parsed(line)


def _line(record: Mapping[str, Any]) -> bytes:
    text = json.dumps(dict(record), separators=(",", ":"), allow_nan=False)
    return text.encode("ascii") + _NEWLINE


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _begin_of_last(file: Any, size: int) -> int:
    """Return where the bytes after the last line break begin; `size` if there are none."""
    place = size
    while place > 0:
        start = max(0, place - _BLOCK)
        file.seek(start)
        found = file.read(place - start).rfind(_NEWLINE)
        if found >= 0:
            return start + int(found) + 1
        place = start
    return 0


def _write_durably(path: Path, data: bytes) -> None:
    is_new = not path.exists()
    path.parent.mkdir(0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        while data:
            data = data[os.write(descriptor, data) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if is_new:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make names that were made or changed in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
