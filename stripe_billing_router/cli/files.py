"""Writing files without ever leaving half of one or overwriting somebody's work."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from ..errors import ConfigurationError


@contextmanager
def os_errors(doing: str) -> Iterator[None]:
    """Raise what the operating system refuses as ConfigurationError; `doing` names the deed."""
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise ConfigurationError(
            f"{doing} failed: {error.strerror or error}{where}; check the path and its permissions."
        ) from None


def read_file(path: Path) -> bytes:
    """Return a file's bytes; ConfigurationError that says why if it cannot be read."""
    with os_errors(f"Reading {path}"):
        return path.read_bytes()


def write_new(path: Path, text: str, folder_mode: int = 0o777) -> bool:
    """Write a file that does not exist yet, and its folder; False if it exists."""
    with os_errors(f"Writing {path}"):
        path.parent.mkdir(folder_mode, parents=True, exist_ok=True)
        try:
            file = path.open("x", encoding="utf-8")
        except FileExistsError:
            return False
        with file:
            _write_or_remove(file, path, text)
    return True


def _write_or_remove(file: TextIO, path: Path, text: str) -> None:
    try:
        file.write(text)
        file.flush()
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def replace_text(path: Path, text: str) -> None:
    """Replace a file's text at once: a reader sees the old text or the new, a crash leaves one."""
    with os_errors(f"Writing {path}"):
        descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with open(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(descriptor)
            os.chmod(draft, path.stat().st_mode & 0o777)
            os.replace(draft, path)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
