"""Bytes at the end of a file: all of them durable, or none."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from ...backups import reserved
from ...json_lines import sync_folder


def append(path: Path, size: int, data: bytes) -> None:
    """Append to a file of `size` bytes, made if need be; what fails half-way is taken back."""
    is_new = not path.exists()
    descriptor = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
    try:
        _write(descriptor, data)
        os.fsync(descriptor)
    except BaseException:
        with suppress(OSError):
            os.ftruncate(descriptor, size)
        raise
    finally:
        os.close(descriptor)
    if is_new:
        sync_folder(path.parent)


def cut_off(path: Path, size: int, tail: bytes) -> Path:
    """Shorten a file to `size` bytes; the rest, `tail`, is kept in a file of its own."""
    kept = reserved(path.with_name(f"{path.name}.torn"))
    append(kept, 0, tail)
    sync_folder(path.parent)
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.ftruncate(descriptor, size)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return kept


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
