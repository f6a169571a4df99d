"""A violation at a node of a program, before its place is known in the file."""

from __future__ import annotations

import ast
import re
from typing import NamedTuple

from ..findings import Hit


class Violation(NamedTuple):
    """`shown_by`, if given, finds the exact place within the lines of the node."""

    rule: str
    node: ast.AST
    message: str
    shown_by: re.Pattern[str] | None = None


def innermost(violations: list[Violation]) -> list[Violation]:
    """Return one violation of a rule where several nodes, one around the other, have it."""
    once = {(one.rule, id(one.node)): one for one in violations}.values()
    return [one for one in once if not any(_is_around(one, other) for other in once)]


def _is_around(one: Violation, other: Violation) -> bool:
    if one.node is other.node or one.rule != other.rule:
        return False
    start, end = _span(one.node)
    inner_start, inner_end = _span(other.node)
    return start <= inner_start and inner_end <= end and (start, end) != (inner_start, inner_end)


def _span(node: ast.AST) -> tuple[tuple[int, int], tuple[int, int]]:
    start = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
    end = getattr(node, "end_lineno", 1), getattr(node, "end_col_offset", 0)
    return start, end


def hit(violation: Violation, lines: list[str]) -> Hit:
    """Return a violation with its place. `lines` are those of the program."""
    first = getattr(violation.node, "lineno", 1)
    last = getattr(violation.node, "end_lineno", None) or first
    line, column = _shown(violation, lines, first, last) or (first, _column(violation.node, lines))
    return Hit(line, column, violation.rule, violation.message, last)


def _shown(violation: Violation, lines: list[str], first: int, last: int) -> tuple[int, int] | None:
    if violation.shown_by is None:
        return None
    for line in range(first, min(last, len(lines)) + 1):
        match = violation.shown_by.search(lines[line - 1])
        if match:
            return line, match.start() + 1
    return None


def _column(node: ast.AST, lines: list[str]) -> int:
    """The tree counts the bytes of UTF-8; people count characters."""
    offset = getattr(node, "col_offset", 0)
    line = getattr(node, "lineno", 1)
    text = lines[line - 1] if line <= len(lines) else ""
    return len(text.encode(errors="replace")[:offset].decode(errors="replace")) + 1
