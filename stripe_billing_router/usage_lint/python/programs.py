"""A Python program against all rules."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final

from .. import messages
from ..content import PARSED_UP_TO
from ..findings import RAW_KEY, UNPARSABLE, Hit
from ..text import api_bases, raw_keys
from .dynamic import imports_by_name
from .embedded import embedded_programs
from .folding import Folder
from .importing import imports
from .names import Names
from .parsing import CANNOT, parsed, source_of, why_not
from .strings import telling_strings
from .survey import Survey
from .violations import Violation, hit

# Without any of these no rule can be violated: a module that is assembled has to be imported by
# some function, a host ends in .com, a key has its prefix, and escapes can spell anything.
_WORTH_A_LOOK: Final = re.compile(
    r"stripe|import_|importlib|__import__|__builtins__|\bexec\b|\beval\b|\bmodules\b|pkgutil|runpy"
    r"|importorskip|locate|\.com\b|[\"']com\b|com[\"']|::\s*-|(?<![a-z])[sr]k_|whsec"
    r"|[\"'][sr]?k?_?(?:live|test|org)_|\\(?:x|u|U|N|[0-7])|-c[\"']",
    re.IGNORECASE,
)
_LINE_ENDS: Final = re.compile(r"\r\n|\r|\n")
_DEEPEST: Final = 3


def scan_program(data: bytes) -> list[Hit]:
    """Return what a program violates; that it cannot be parsed is a violation as well."""
    keys = list(raw_keys(data))
    try:
        if len(data) > PARSED_UP_TO:
            raise MemoryError
        hits = scan_source(source_of(data))
    except CANNOT as error:
        return [*keys, unparsable(error), *api_bases(data)]
    told = {line for key in keys for line in key.lines()}
    return [*keys, *(one for one in hits if one.rule != RAW_KEY or told.isdisjoint(one.lines()))]


def scan_source(source: str) -> list[Hit]:
    """Return what a program's text violates; one of `CANNOT` is raised if it is none."""
    tree = parsed(source)
    if not _WORTH_A_LOOK.search(source):
        return []
    lines = _LINE_ENDS.split(source)
    return [hit(violation, lines) for violation in _violations(tree, _DEEPEST)]


def unparsable(error: BaseException) -> Hit:
    """Return the violation that a program cannot be parsed."""
    why, line = why_not(error)
    return Hit(line, 1, UNPARSABLE, messages.unparsable(why), line)


def _violations(tree: ast.Module, depth: int) -> Iterator[Violation]:
    survey = Survey(tree)
    folder = Folder()
    names = Names(folder)
    yield from _imports(survey, names, folder, depth)
    yield from telling_strings(survey, names, folder)


def _imports(survey: Survey, names: Names, folder: Folder, depth: int) -> Iterator[Violation]:
    yield from imports(survey, names)
    yield from imports_by_name(survey, names, folder)
    if depth:
        yield from embedded_programs(survey, names, folder, lambda tree: _rules(tree, depth - 1))


def _rules(tree: ast.Module, depth: int) -> set[str]:
    survey = Survey(tree)
    folder = Folder()
    return {violation.rule for violation in _imports(survey, Names(folder), folder, depth)}
