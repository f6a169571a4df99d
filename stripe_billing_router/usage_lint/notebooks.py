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

_MAGIC: Final = re.compile(r"^(\s*)(?:[%!?]|[\w.]+\s*=\s*[%!](?!=)|[\w.]+\?)")
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
    language = metadata.get("language_info", {}).get("name")
    language = language or metadata.get("kernelspec", {}).get("language") or "python"
    return "python" in str(language).lower()


def _located(cells: list[list[str]], data: bytes) -> list[list[_Line]]:
    """Find each line, as JSON has it, after the one before."""
    places = Places(data)
    offset = 0
    located: list[list[_Line]] = []
    for cell in cells:
        located.append([])
        for text in cell:
            offset = max(offset, _find(data, text, offset))
            located[-1].append(_Line(text.rstrip("\r\n"), places.place(offset)))
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
        for line in other:
            found = scan_text(line.text.encode(errors="replace"))
            yield from (_moved(one, [line]) for one in found)
        try:
            parsed(_text(code))
        except CANNOT:
            yield hit(UNPARSABLE, *cell[0].place, "this cell cannot be parsed")
        else:
            program += code
    for one in scan_source(_text(program)):
        if one.rule != RAW_KEY:
            yield _moved(one, program)


def _divided(cell: list[_Line]) -> tuple[list[_Line], list[_Line]]:
    """Divide a cell into its Python and what is for IPython or another language."""
    first = cell[0].text
    if first.startswith("%%") and not first.startswith(_PYTHON_CELLS):
        return [], cell
    other = [line for line in cell if _MAGIC.match(line.text)]
    return [line._replace(text=_MAGIC.sub(r"\1pass #", line.text)) for line in cell], other


def _text(lines: list[_Line]) -> str:
    return "".join(f"{line.text}\n" for line in lines)


def _moved(one: Hit, lines: list[_Line]) -> Hit:
    """Return a hit at the place in the file of the line that it is on."""
    first = lines[min(one.line, len(lines)) - 1].place
    last = lines[min(one.last_line, len(lines)) - 1].place
    return one._replace(line=first.line, column=first.column + one.column - 1, last_line=last.line)
