"""What a name stands for: the dotted name of a module or of something in one, through aliases."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import islice
from typing import Final

from .folding import Folder
from .scopes import Binding, Element, Imported, Scope, Value

_SOMETHING: Final = "?"
_IMPORTERS_ANYWHERE: Final = frozenset(
    "import_module __import__ importorskip _gcd_import _find_and_load".split()
)
_IMPORTERS: Final = frozenset(
    """
    importlib.find_loader importlib.util.find_spec importlib.util.spec_from_file_location
    importlib.machinery.PathFinder.find_spec importlib.machinery.SourceFileLoader
    pkgutil.find_loader pkgutil.get_loader pkgutil.resolve_name
    runpy.run_module imp.find_module imp.load_module imp.load_source pydoc.locate
    django.utils.module_loading.import_string werkzeug.utils.import_string
    """.split()
)
_DEEPEST: Final = 40
_MOST: Final = 64


class Names:
    """Finds the dotted names that an expression can stand for. A built-in's is `builtins.…`."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._open: set[int] = set()
        self._known: dict[int, frozenset[str]] = {}
        self._variables: dict[int, set[str]] = {}

    def of(self, node: ast.expr, scope: Scope) -> frozenset[str]:
        """Return the dotted names of an expression; what is not known is called `?`."""
        if isinstance(node, ast.Name):
            return frozenset(self._of_name(node, scope))
        if id(node) in self._open or len(self._open) >= _DEEPEST:
            return frozenset()
        if id(node) not in self._known:
            self._open.add(id(node))
            self._known[id(node)] = frozenset(self._found(node, scope))
            self._open.discard(id(node))
        return self._known[id(node)]

    def imports_by_name(self, node: ast.expr, scope: Scope) -> bool:
        """Return whether an expression is a function that imports what it is told to."""
        return any(is_importer(name) for name in self.of(node, scope))

    def _found(self, node: ast.expr, scope: Scope) -> set[str]:
        if isinstance(node, ast.Attribute):
            return self._members(node.value, [node.attr], scope)
        if isinstance(node, ast.Subscript):
            return self._of_subscript(node, scope)
        if isinstance(node, ast.Call):
            return self._of_call(node, scope)
        if isinstance(node, ast.IfExp):
            return {*self.of(node.body, scope), *self.of(node.orelse, scope)}
        if isinstance(node, ast.BoolOp):
            return {name for value in node.values for name in self.of(value, scope)}
        return set(self.of(node.value, scope)) if isinstance(node, ast.NamedExpr) else {_SOMETHING}

    def _of_name(self, node: ast.Name, scope: Scope) -> set[str]:
        bindings = scope.lookup(node.id)
        if bindings is None:
            return {"builtins" if node.id == "__builtins__" else f"builtins.{node.id}"}
        if id(bindings) not in self._variables:
            names = self._variables[id(bindings)] = set()
            for binding in bindings:
                if len(names) < _MOST:
                    names |= self._bound(binding)
        return self._variables[id(bindings)]

    def _bound(self, binding: Binding) -> set[str]:
        if isinstance(binding, Imported):
            return {binding.name}
        if isinstance(binding, Value):
            return set(self.of(*binding))
        if isinstance(binding, Element):
            return {name for item in self._folder.elements(*binding) for name in self.of(*item)}
        return set()

    def _members(self, owner: ast.expr, members: list[str], scope: Scope) -> set[str]:
        owners = self.of(owner, scope) or {_SOMETHING}
        return _few(f"{name}.{member}" for name in owners for member in members)

    def _of_subscript(self, node: ast.Subscript, scope: Scope) -> set[str]:
        """`x.__dict__["name"]`, `vars(x)["name"]`, `sys.modules["x"]`."""
        if isinstance(node.slice, ast.Slice):
            return {_SOMETHING}
        keys = self._folder.strings(node.slice, scope)
        owners = self.of(node.value, scope)
        if "sys.modules" in owners:
            return set(keys)
        return _few(f"{owner.removesuffix('.__dict__')}.{key}" for owner in owners for key in keys)

    def _of_call(self, node: ast.Call, scope: Scope) -> set[str]:
        functions = self.of(node.func, scope)
        if not node.args:
            return {_SOMETHING}
        if "builtins.getattr" in functions and len(node.args) > 1:
            members = self._folder.strings(node.args[1], scope)
            return self._members(node.args[0], members, scope)
        if "builtins.vars" in functions:
            return set(self.of(node.args[0], scope))
        if any(is_importer(name) for name in functions):
            return set(self._folder.strings(node.args[0], scope))
        return {_SOMETHING}


def _few(names: Iterator[str]) -> set[str]:
    return set(islice(names, _MOST))


def is_importer(name: str) -> bool:
    """Return whether a dotted name is that of a function that imports what it is told to."""
    return name in _IMPORTERS or name.rpartition(".")[2] in _IMPORTERS_ANYWHERE
