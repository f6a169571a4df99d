"""Numbered names beside a file. What has once been set aside is never overwritten."""

from __future__ import annotations

import os
from pathlib import Path

from .json_lines import sync_folder


def set_aside(path: Path) -> Path:
    """Move a file to the next free number, such as `journal.jsonl.3`; OSError if it cannot be."""
    free = reserved(path)
    try:
        os.replace(path, free)  # over the empty file that only we have made
    except OSError:
        free.unlink()
        raise
    sync_folder(path.parent)
    return free


def reserved(path: Path) -> Path:
    """Make an empty file with the next free number, which nobody else gets."""
    number = max(_numbers(path), default=0)
    while True:
        number += 1
        free = path.with_name(f"{path.name}.{number}")
        try:
            os.close(os.open(free, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            continue
        return free


def _numbers(path: Path) -> list[int]:
    endings = (found.name.removeprefix(f"{path.name}.") for found in path.parent.iterdir())
    return [int(ending) for ending in endings if ending.isdecimal()]
