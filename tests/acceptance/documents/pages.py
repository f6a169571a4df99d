"""Reads the documents: sections, code blocks and tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGES = (
    "README.md",
    *sorted(
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "docs").rglob("*.md")
        if path.parent.name != "decisions"
    ),
)
_FENCE = re.compile(r'```(?P<language>[a-z]*)(?: title="(?P<title>[^"]+)")?')


@dataclass(frozen=True)
class Block:
    """One fenced block: `line` is where its fence stands; a `title` names the file that it is."""

    page: str
    line: int
    language: str
    title: str | None
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass
class Section:
    """What stands under one heading of the second level; `title` is empty before the first."""

    title: str
    blocks: list[Block] = field(default_factory=list)
    tables: list[list[list[str]]] = field(default_factory=list)

    @property
    def python(self) -> str:
        return "\n".join(block.text for block in self.blocks if block.language == "python")


def sections(page: str) -> list[Section]:
    """Read a page; its first section is what stands before the first heading."""
    found = [Section("")]
    lines = iter(enumerate((ROOT / page).read_text().splitlines(), 1))
    for number, line in lines:
        if line.startswith("## "):
            found.append(Section(line[3:]))
        elif "```" in line or "~~~" in line:
            found[-1].blocks.append(_block(page, number, line, lines))
        elif line.startswith("|"):
            _add_row(found[-1], [cell.strip() for cell in line.strip("|").split("|")])
        elif found[-1].tables and found[-1].tables[-1]:
            found[-1].tables.append([])
    return found


def _block(page: str, number: int, fence: str, lines: Iterator[tuple[int, str]]) -> Block:
    opened = _FENCE.fullmatch(fence)
    assert opened, f"{page}:{number}: a fence that the tests do not read: {fence!r}"
    code = []
    for _, line in lines:
        if line == "```":
            break
        code.append(line)
    return Block(page, number, opened["language"], opened["title"], "\n".join(code))


def _add_row(section: Section, cells: list[str]) -> None:
    if not section.tables:
        section.tables.append([])
    if not set("".join(cells)) <= set("-: "):
        section.tables[-1].append(cells)
