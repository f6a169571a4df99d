"""Programs within a program: what `exec`, `eval` and `compile` get, and `python -c`."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Final

from ..findings import DYNAMIC_IMPORT, OPERATORS_IMPORT
from ..hosts import UNKNOWN
from .folding import Folder
from .modules import MESSAGES
from .names import Names
from .parsing import parsed
from .survey import Survey
from .violations import Violation

_RUN: Final = frozenset({"builtins.exec", "builtins.eval", "builtins.compile"})
_PYTHON: Final = re.compile("python|executable", re.IGNORECASE)
_SOURCES: Final = frozenset({"source", "expression"})

RulesOf = Callable[[ast.Module], set[str]]


def embedded_programs(
    survey: Survey, names: Names, folder: Folder, rules_of: RulesOf
) -> Iterator[Violation]:
    """Yield the programs, given as constant texts, that violate a rule of importing."""
    for node, sources in (*_run(survey, names, folder), *_started(survey, folder)):
        rules = {rule for source in sources for rule in _rules(source, rules_of)}
        for rule in sorted(rules):
            yield Violation(rule, node, MESSAGES[rule])


def _run(survey: Survey, names: Names, folder: Folder) -> Iterator[tuple[ast.expr, list[str]]]:
    for node, scope in survey.each(ast.Call):
        if names.of(node.func, scope) & _RUN:
            named = [word.value for word in node.keywords if word.arg in _SOURCES]
            for argument in [*node.args[:1], *named]:
                yield node, folder.strings(argument, scope)


def _started(survey: Survey, folder: Folder) -> Iterator[tuple[ast.expr, list[str]]]:
    """`[sys.executable, "-c", program]`."""
    for node, scope in survey.each(ast.List, ast.Tuple):
        for option, program in pairwise(node.elts):
            if isinstance(option, ast.Constant) and option.value == "-c" and _is_python(node):
                yield program, folder.strings(program, scope)


def _is_python(command: ast.List | ast.Tuple) -> bool:
    """Whether a command starts Python: by name, or as `sys.executable`."""
    return _PYTHON.search(" ".join(ast.unparse(part) for part in command.elts[:3])) is not None


def _rules(source: str, rules_of: RulesOf) -> set[str]:
    try:
        found = rules_of(parsed(textwrap.dedent(source.replace(UNKNOWN, "_")).strip()))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    return {rule if rule == OPERATORS_IMPORT else DYNAMIC_IMPORT for rule in found}
