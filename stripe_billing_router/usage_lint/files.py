"""One file against the rules that fit it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from . import messages
from .comments import comments_of_program, comments_of_text, without_allowed
from .content import as_text, has_slashes, is_notebook, is_prose, is_python, read
from .findings import UNPARSABLE, Hit
from .notebooks import scan_notebook
from .python import scan_program
from .text import api_bases, raw_keys

_PACKAGE: Final = Path(__file__).resolve().parent.parent


def scan_file(path: str) -> list[Hit]:
    """Return what a file violates and no comment in it allows. Binary files violate nothing."""
    try:
        return _scan(path, read(path))
    except FileNotFoundError:
        return []  # gone since it was listed
    except OSError as error:
        return [unreadable(error)]


def unreadable(error: OSError) -> Hit:
    """Return the violation that something cannot be read."""
    message = messages.unparsable(f"this cannot be read ({error.strerror or 'an error'})")
    return Hit(1, 1, UNPARSABLE, message, 1)


def _scan(path: str, data: bytes) -> list[Hit]:
    if _is_our_own(path, data):
        return list(raw_keys(data))
    if is_python(path, data):
        return _scan_python(data)
    text = as_text(data)
    return [] if text is None else _scan_text(path, text)


def _scan_python(data: bytes) -> list[Hit]:
    hits = scan_program(data)
    parsed = all(hit.rule != UNPARSABLE for hit in hits)
    return without_allowed(hits, comments_of_program(data), strict=parsed)


def _scan_text(path: str, text: bytes) -> list[Hit]:
    comments = comments_of_text(text)
    if is_notebook(path):
        return without_allowed(scan_notebook(text), comments, strict=True)
    prose = is_prose(path)
    bases = () if prose else api_bases(text, slashes=has_slashes(path))
    hits = [*raw_keys(text), *bases]
    return without_allowed(hits, comments, strict=not prose)


def _is_our_own(path: str, data: bytes) -> bool:
    """Whether a file is one of this library's, unchanged: the library may stand in the host's own
    repository, and is where Stripe is meant to be used."""
    _, found, rest = path.rpartition(f"{os.sep}{_PACKAGE.name}{os.sep}")
    if not found or not path.endswith(".py"):
        return False
    own = _PACKAGE / rest
    try:
        return own.stat().st_size == len(data) and own.read_bytes() == data[:]
    except OSError:
        return False
