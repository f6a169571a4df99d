"""Jupyter notebooks: their code cells as one program, each line at its place in the file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from .findings import RAW_KEY, UNPARSABLE, Hit, hit
from .places import Place, Places, decoded
from .programs import CANNOT, parsed, scan_source
from .texts import raw_keys, scan_text

_MAGIC: Final = re.compile(r"(\s*)(?:[%!?]|[\w.]+\s*=\s*[%!](?!=)|[\w.]+\?)")
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
        return [*keys, hit(UNPARSABLE, 1, 1, "this is not a notebook"), *scan_text(data)]
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
            if found >= 0:
                offset = found
            lines.append(_Line(text.rstrip("\r\n"), places.place(offset)))
        located.append(lines)
    return located


def _find(data: bytes, text: str, start: int) -> int:
    """Return the offset of a line: alone in its quotes, or somewhere within them; -1 for none."""
    for in_ascii in (False, True):
        quoted = json.dumps(text, ensure_ascii=in_ascii).encode(errors="replace")
        for wanted, skipped in ((quoted, 1), (quoted[1:-1], 0)):
            found = data.find(wanted, start)
            if found >= 0:
                return found + skipped
    return -1


def _scan_cells(cells: list[list[_Line]], *, is_python: bool) -> Iterator[Hit]:
    """Cells share their names, so those that can be parsed are one program."""
    program: list[_Line] = []
    for cell in filter(None, cells):
        code, other = _divided(cell) if is_python else ([], cell)
        yield from _in_other_languages(other)
        if _can_be_parsed(code):
            program += code
        else:
            yield hit(UNPARSABLE, *cell[0].place, "this cell cannot be parsed")
    for one in scan_source(_text(program)):
        if one.rule != RAW_KEY:
            yield _moved(one, program)


def _divided(cell: list[_Line]) -> tuple[list[_Line], list[_Line]]:
    """Divide a cell into its Python and what is for IPython or another language."""
    first = cell[0].text
    if first.startswith("%%") and not first.startswith(_PYTHON_CELLS):
        return [], cell
    other = [line for line in cell if _MAGIC.match(line.text)]
    return [_without_magic(line) for line in cell], other


def _without_magic(line: _Line) -> _Line:
    magic = _MAGIC.match(line.text)
    return line._replace(text=f"{magic[1]}pass") if magic else line


def _can_be_parsed(code: list[_Line]) -> bool:
    try:
        parsed(_text(code))
    except CANNOT:
        return False
    return True


def _text(lines: list[_Line]) -> str:
    return "".join(f"{line.text}\n" for line in lines)


def _in_other_languages(lines: list[_Line]) -> Iterator[Hit]:
    for line in lines:
        for one in scan_text(line.text.encode(errors="replace")):
            yield _moved(one, [line])


def _moved(one: Hit, lines: list[_Line]) -> Hit:
    """Return a hit at the place in the file of the line that it is on."""
    first = lines[min(one.line, len(lines)) - 1].place
    last = lines[min(one.last_line, len(lines)) - 1].place
    return one._replace(line=first.line, column=first.column + one.column - 1, last_line=last.line)
