"""One file against the rules that fit it: what it holds, of which kind it is, what it violates."""

from __future__ import annotations

import codecs
import mmap
import os
from pathlib import Path, PurePosixPath
from typing import Final, cast

from .comments import comments_of_program, comments_of_text, without_allowed
from .findings import UNPARSABLE, Hit, hit
from .notebooks import scan_notebook
from .programs import scan_program
from .texts import raw_keys, scan_text

MAPPED_FROM: Final = 16 << 20
"""Bytes from which a file is mapped instead of read."""

_PACKAGE: Final = Path(__file__).resolve().parent.parent
_HEAD: Final = 8192
_PYTHON: Final = frozenset({".py", ".pyi", ".pyw"})
_PROSE: Final = frozenset(
    ".md .markdown .mdx .rst .txt .adoc .asciidoc .org .tex .log .csv .tsv .jsonl .po .svg".split()
)
_PROSE_NAMES: Final = frozenset({"README", "CHANGELOG", "CHANGES", "NEWS", "LICENSE", "NOTICE"})
_SLASHES: Final = frozenset(
    """
    .js .jsx .mjs .cjs .ts .tsx .vue .svelte .c .cc .cpp .cxx .h .hh .hpp .cs .css .scss .less .dart
    .fs .go .gradle .groovy .java .kt .kts .m .mm .php .proto .rs .scala .sol .swift .zig
    """.split()
)
# UTF-32 first: its mark begins with that of UTF-16.
_WIDE: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


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
    return hit(UNPARSABLE, 1, 1, f"this cannot be read ({error.strerror or 'an error'})")


def read(path: str) -> bytes:
    """Return a file's bytes. What is large is mapped, and works as bytes do where we use it."""
    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_size < MAPPED_FROM:
            return file.read()
        return cast("bytes", mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _scan(path: str, data: bytes) -> list[Hit]:
    if _is_our_own(path, data):
        return list(raw_keys(data))
    if _is_python(path, data):
        hits = scan_program(data)
        parsed = all(one.rule != UNPARSABLE for one in hits)
        return without_allowed(hits, comments_of_program(data), strict=parsed)
    text = _as_text(data)
    if text is None:
        return []
    prose = _is_prose(path)
    if path.lower().endswith(".ipynb"):
        hits = scan_notebook(text)
    elif prose:
        hits = list(raw_keys(text))
    else:
        slashes = PurePosixPath(path).suffix.lower() in _SLASHES
        hits = [*raw_keys(text), *scan_text(text, slashes=slashes)]
    return without_allowed(hits, comments_of_text(text), strict=not prose)


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


def _is_python(path: str, data: bytes) -> bool:
    """Whether a file is a Python program, by its suffix or its first line."""
    suffix = PurePosixPath(path).suffix
    if suffix:
        return suffix.lower() in _PYTHON
    return data[:2] == b"#!" and b"python" in data[:_HEAD].split(b"\n", 1)[0]


def _as_text(data: bytes) -> bytes | None:
    """Return a text's bytes in an encoding that ASCII can be found in; None for what is binary."""
    head = data[:_HEAD]
    for mark, encoding in _WIDE:
        if head.startswith(mark):
            return data[:].decode(encoding, "replace").encode(errors="replace")
    return None if b"\0" in head else data


def _is_prose(path: str) -> bool:
    """Whether a file is read by people and not by programs: documents and logs."""
    name = PurePosixPath(path)
    return name.suffix.lower() in _PROSE or name.name.upper() in _PROSE_NAMES
