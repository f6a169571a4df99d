"""Jupyter notebooks: their code cells as one program, each line at its place in the file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from . import messages
from .findings import UNPARSABLE, Hit
from .places import Place, Places, decoded
from .python import scan_source
from .python.parsing import CANNOT, parsed
from .text import api_bases, raw_keys

_MAGIC: Final = re.compile(r"(\s*)(?:[%!?]|[\w.]+\s*=\s*[%!]|[\w.]+\?)")
_PYTHON_CELLS: Final = ("%%time", "%%capture", "%%prun")


class _Line(NamedTuple):
    text: str
    place: Place


def scan_notebook(data: bytes) -> list[Hit]:
    """Return what a notebook violates. Cells of other languages are looked at as texts."""
    keys = list(raw_keys(data))
    try:
        notebook = json.loads(decoded(data[:]).removeprefix("\ufeff"))
        cells = list(_code_cells(notebook))
    except (ValueError, RecursionError, TypeError, AttributeError):
        message = messages.unparsable("this is not a notebook")
        return [*keys, Hit(1, 1, UNPARSABLE, message, 1), *api_bases(data)]
    return [*keys, *_scan_cells(_located(cells, data), is_python=_is_python(notebook))]


def _code_cells(notebook: dict[str, Any]) -> Iterator[list[str]]:
    """The lines of each code cell, also of notebooks in the third format."""
    sheets = [notebook, *notebook.get("worksheets", [])]
    for cell in (cell for sheet in sheets for cell in sheet.get("cells", [])):
        if cell.get("cell_type") == "code":
            source = cell.get("source", cell.get("input", ""))
            yield "".join(source).splitlines(keepends=True)


def _is_python(notebook: dict[str, Any]) -> bool:
    metadata = notebook.get("metadata", {})
    for section, key in (("language_info", "name"), ("kernelspec", "language")):
        language = metadata.get(section, {}).get(key)
        if language:
            return "python" in str(language).lower()
    return True


def _located(cells: list[list[str]], data: bytes) -> list[list[_Line]]:
    """Find each line, as JSON has it, after the one before."""
    places = Places(data)
    offset = 0
    located = []
    for cell in cells:
        lines = []
        for text in cell:
            found = _find(data, text, offset)
            offset = offset if found is None else found
            lines.append(_Line(text.rstrip("\r\n"), places.place(offset)))
            offset += len(text)
        located.append(lines)
    return located


def _find(data: bytes, text: str, start: int) -> int | None:
    for in_ascii in (False, True):
        quoted = json.dumps(text, ensure_ascii=in_ascii)[1:-1].encode(errors="replace")
        found = data.find(quoted, start)
        if found >= 0:
            return found
    return None
