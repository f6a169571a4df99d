"""One walk over a program: what the rules look at, each with its scope, and all bindings."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any, Final

from .entering import ENTER, below
from .learning import LEARN
from .scopes import Function, Scope

_LOOKED_AT: Final = (
    *(ast.Import, ast.ImportFrom, ast.Call, ast.Attribute, ast.Subscript),
    *(ast.Constant, ast.JoinedStr, ast.BinOp, ast.List, ast.Tuple, ast.Dict, ast.Expr),
    *(ast.Assign, ast.AugAssign),
)


class Survey:
    """The nodes of a program that rules look at, by type, each with the scope that it is in."""

    def __init__(self, tree: ast.Module) -> None:
        self._seen: dict[type[ast.AST], list[tuple[ast.AST, Scope]]]
        self._seen = {kind: [] for kind in _LOOKED_AT}
        self._walk(tree)
        self._pass_arguments()

    def each(self, *kinds: type[ast.AST]) -> Iterator[tuple[Any, Scope]]:
        """Yield the nodes of these types."""
        for kind in kinds:
            yield from self._seen[kind]

    def _walk(self, tree: ast.Module) -> None:
        """Meet every node in the order of the text."""
        waiting: list[tuple[ast.AST, Scope]] = [(tree, Scope())]
        while waiting:
            node, scope = waiting.pop()
            kind = type(node)
            if kind in self._seen:
                self._seen[kind].append((node, scope))
            if kind in LEARN:
                LEARN[kind](node, scope)
            if kind in ENTER:
                waiting += reversed(ENTER[kind](node, scope))
            else:
                waiting += reversed([(child, scope) for child in below(node)])

    def _pass_arguments(self) -> None:
        """Bind what the program's own functions are called with to their parameters."""
        for call, scope in self.each(ast.Call):
            if isinstance(call.func, ast.Name):
                for binding in scope.lookup(call.func.id) or ():
                    if isinstance(binding, Function):
                        binding.take(call, scope)
