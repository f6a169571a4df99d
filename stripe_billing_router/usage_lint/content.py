"""What a file holds: read whole, or mapped where it is large, and of which kind it is."""

from __future__ import annotations

import codecs
import mmap
import os
from pathlib import PurePosixPath
from typing import Final, cast

MAPPED_FROM: Final = 16 << 20
"""Bytes from which a file is mapped instead of read."""

PARSED_UP_TO: Final = 4 << 20
"""Bytes up to which a program is parsed."""

_HEAD: Final = 8192
_PYTHON: Final = frozenset({".py", ".pyi", ".pyw"})
_PROSE: Final = frozenset(
    ".md .markdown .mdx .rst .txt .adoc .asciidoc .org .tex .log .csv .tsv .jsonl .po .svg".split()
)
_SLASHES: Final = frozenset(
    """
    .js .jsx .mjs .cjs .ts .tsx .vue .svelte .c .cc .cpp .cxx .h .hh .hpp .cs .css .scss .less .dart
    .fs .go .gradle .groovy .java .kt .kts .m .mm .php .proto .rs .scala .sol .swift .zig
    """.split()
)
_PROSE_NAMES: Final = frozenset({"README", "CHANGELOG", "CHANGES", "NEWS", "LICENSE", "NOTICE"})
# UTF-32 first: its mark begins with that of UTF-16.
_WIDE: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read(path: str) -> bytes:
    """Return a file's bytes. What is large is mapped, and works as bytes do where we use it."""
    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_size < MAPPED_FROM:
            return file.read()
        return cast("bytes", mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def as_text(data: bytes) -> bytes | None:
    """Return a text's bytes in an encoding that ASCII can be found in; None for what is binary."""
    head = data[:_HEAD]
    for mark, encoding in _WIDE:
        if head.startswith(mark):
            return data[:].decode(encoding, "replace").encode(errors="replace")
    return None if b"\0" in head else data


def is_python(path: str, data: bytes) -> bool:
    """Return whether a file is a Python program, by its suffix or its first line."""
    suffix = PurePosixPath(path).suffix
    if suffix:
        return suffix.lower() in _PYTHON
    return data[:2] == b"#!" and b"python" in data[:_HEAD].split(b"\n", 1)[0]


def is_notebook(path: str) -> bool:
    """Return whether a file is a Jupyter notebook."""
    return path.lower().endswith(".ipynb")


def is_prose(path: str) -> bool:
    """Return whether a file is read by people and not by programs: documents and logs."""
    name = PurePosixPath(path)
    return name.suffix.lower() in _PROSE or name.name.upper() in _PROSE_NAMES


def has_slashes(path: str) -> bool:
    """Return whether a file's comments begin with two slashes, and not with `#`."""
    return PurePosixPath(path).suffix.lower() in _SLASHES
