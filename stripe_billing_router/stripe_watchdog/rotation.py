"""Put a full log away as a gzip file that overwrites nothing, whenever a crash comes.

A log is first renamed to `NAME.<time>`, then compressed to `NAME.<time>.gz`, then removed. What a
crash leaves in between is finished by the next run.
"""

from __future__ import annotations

import glob
import gzip
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ..json_lines import sync_folder

_STAMP: Final = re.compile(r"\.[0-9]{8}T[0-9]{9}Z(?:-[0-9]+)?", re.ASCII)


def rotate(path: Path, max_bytes: int, timestamp: str) -> None:
    """Put the log away if it has more than `max_bytes`; `timestamp` goes into its new name."""
    if not path.exists() or path.stat().st_size <= max_bytes:
        return
    stamp = re.sub(r"[-:.]", "", timestamp)
    os.rename(path, next(_free_names(path, stamp)))
    sync_folder(path.parent)
    finish_rotations(path)


def finish_rotations(path: Path) -> None:
    """Compress what was put away and is not compressed yet."""
    if not path.parent.is_dir():
        return
    for waiting in sorted(path.parent.glob(f"{glob.escape(path.name)}.*")):
        if _STAMP.fullmatch(waiting.name.removeprefix(path.name)):
            _compress(waiting)


def _free_names(path: Path, stamp: str) -> Iterator[Path]:
    number = 0
    while True:
        name = f"{path.name}.{stamp}" + (f"-{number}" if number else "")
        found = path.with_name(name)
        if not found.exists() and not _packed(found).exists():
            yield found
        number += 1


def _packed(path: Path) -> Path:
    return path.with_name(f"{path.name}.gz")


def _compress(plain: Path) -> None:
    packed = _packed(plain)
    if not packed.exists():
        draft = plain.with_name(f"{plain.name}.part")
        with plain.open("rb") as source, draft.open("wb") as target:
            with gzip.GzipFile(filename="", mode="wb", fileobj=target) as packer:
                shutil.copyfileobj(source, packer)
            target.flush()
            os.fsync(target.fileno())
        os.rename(draft, packed)
        sync_folder(plain.parent)
    plain.unlink()
