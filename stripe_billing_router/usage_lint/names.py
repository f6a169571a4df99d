"""What names of a program stand for, where it says so plainly: imports, aliases, constants.

A name that is bound more than once, or to anything but a constant, has no text. Nothing is run.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Final

from .keys import keys_in
from .texts import UNKNOWN, host_in_code

_IMPORTERS_ANYWHERE: Final = frozenset(
    "import_module __import__ importorskip import_string _gcd_import patch setattr".split()
)
_IMPORTERS: Final = frozenset(
    """
    importlib.find_loader importlib.util.find_spec importlib.util.spec_from_file_location
    importlib.machinery.PathFinder.find_spec importlib.machinery.SourceFileLoader
    pkgutil.find_loader pkgutil.get_loader pkgutil.resolve_name pydoc.locate
    runpy.run_module imp.find_module imp.load_module imp.load_source
    """.split()
)
_DEEPEST: Final = 20


def is_importer(name: str) -> bool:
    """Return whether a dotted name is that of a function that imports what it is told to."""
    return name in _IMPORTERS or name.rpartition(".")[2] in _IMPORTERS_ANYWHERE


class Names:
    """Finds the text, or the dotted name, that an expression stands for."""

    def __init__(self, nodes: Iterable[ast.AST]) -> None:
        self._bound: dict[str, list[str | ast.expr | None]] = {}
        assigned: set[int] = set()
        for node in nodes:  # parents before their children
            if isinstance(node, ast.Import | ast.ImportFrom):
                self._import(node)
            elif isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                for target in targets:
                    if isinstance(target, ast.Name):
                        assigned.add(id(target))
                        self._bind(target.id, node.value)
            elif isinstance(node, ast.Name):
                if not isinstance(node.ctx, ast.Load) and id(node) not in assigned:
                    self._bind(node.id, None)
            elif isinstance(node, ast.arg | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                self._bind(node.arg if isinstance(node, ast.arg) else node.name, None)

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        from_ = isinstance(node, ast.ImportFrom) and f"{'.' * node.level}{node.module or ''}."
        for alias in node.names:
            name = alias.name if from_ or alias.asname else alias.name.partition(".")[0]
            self._bind(alias.asname or name, f"{from_ or ''}{name}")

    def _bind(self, name: str, value: str | ast.expr | None) -> None:
        self._bound.setdefault(name, []).append(value)

    def value(self, name: str) -> ast.expr | None:
        """Return the expression that a name is bound to, if that is done once."""
        values = self._bound.get(name, ())
        return values[0] if len(values) == 1 and isinstance(values[0], ast.expr) else None

    def text(self, node: ast.expr | None, deep: int = _DEEPEST) -> str | None:
        """Return an expression's text; what is filled into an f-string may be `UNKNOWN`."""
        if isinstance(node, ast.Constant):
            if isinstance(node.value, bytes):
                return node.value.decode("latin-1")
            return node.value if isinstance(node.value, str) else None
        if isinstance(node, ast.JoinedStr):
            return "".join(self._piece(part) for part in node.values)
        if isinstance(node, ast.Name) and deep > 0:
            return self.text(self.value(node.id), deep - 1)
        if isinstance(node, ast.Call) and self.last_name(node.func, deep - 1) == "dedent":
            return self.text(next(iter(node.args), None), deep - 1)
        return None

    def _piece(self, part: ast.expr) -> str:
        """Return the text of a piece of an f-string: a literal, or a constant by its name."""
        if isinstance(part, ast.FormattedValue):
            name = part.value.id if isinstance(part.value, ast.Name) else ""
            part = self.value(name) or part
            text = self.text(part) if isinstance(part, ast.Constant) else None
            # What a constant tells by itself is found where it stands, not where it is used.
            return UNKNOWN if text is None or host_in_code(text) or [*keys_in(text)] else text
        return self.text(part) or ""

    def dotted(self, node: ast.expr | None, deep: int = _DEEPEST) -> str:
        """Return the dotted name of an expression, through aliases; of a call, with `()`."""
        if deep <= 0:
            return "?"
        if isinstance(node, ast.Name):
            values = self._bound.get(node.id, [node.id])
            imported = next((value for value in values if isinstance(value, str)), None)
            return imported or self.dotted(self.value(node.id), deep - 1)
        if isinstance(node, ast.Attribute):
            return f"{self.dotted(node.value, deep - 1)}.{node.attr}"
        if isinstance(node, ast.Subscript):
            return self._member(node.value, node.slice, deep)
        if isinstance(node, ast.Call):
            name = self.dotted(node.func, deep - 1)
            if name == "getattr" and len(node.args) > 1:
                return self._member(node.args[0], node.args[1], deep)
            imported = (
                self.text(node.args[0], deep - 1) if node.args and is_importer(name) else None
            )
            return imported or f"{name}()"
        return "?"

    def _member(self, owner: ast.expr, key: ast.expr, deep: int) -> str:
        name, member = self.dotted(owner, deep - 1), self.text(key, deep - 1) or "?"
        return member if name == "sys.modules" else f"{name}.{member}"

    def last_name(self, node: ast.expr, deep: int = _DEEPEST) -> str:
        """Return the last part of an expression's dotted name."""
        return self.dotted(node, deep).rpartition(".")[2]
