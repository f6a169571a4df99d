"""What each kind of statement binds. `LEARN` has the function for a node's type."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from .scopes import Element, Imported, Scope, Value


def _assign(node: ast.Assign, scope: Scope) -> None:
    for target in node.targets:
        _bind_target(target, node.value, scope)


def _assign_one(node: ast.AnnAssign | ast.NamedExpr, scope: Scope) -> None:
    if node.value is not None:
        _bind_target(node.target, node.value, scope)


def _bind_target(target: ast.expr, value: ast.expr, scope: Scope) -> None:
    if isinstance(target, ast.Name):
        scope.bind(target.id, Value(value, scope))
        if isinstance(value, ast.Lambda):
            value.name = target.id  # type: ignore[attr-defined] # as a function has it
    elif isinstance(target, ast.Tuple | ast.List) and isinstance(value, ast.Tuple | ast.List):
        for part, its_value in zip(target.elts, value.elts, strict=False):
            _bind_target(part, its_value, scope)


def _augment(node: ast.AugAssign, scope: Scope) -> None:
    """`name += value` binds the sum of what the name is bound to otherwise, and the value."""
    if isinstance(node.target, ast.Name):
        before = ast.copy_location(ast.Name(node.target.id, ast.Load()), node.target)
        total = ast.copy_location(ast.BinOp(before, node.op, node.value), node)
        scope.bind(node.target.id, Value(total, scope))
        node.total = total  # type: ignore[attr-defined] # for those who look at texts


def _loop(node: ast.For | ast.AsyncFor | ast.comprehension, scope: Scope) -> None:
    if isinstance(node.target, ast.Name):
        scope.bind(node.target.id, Element(node.iter, scope))


def _import(node: ast.Import, scope: Scope) -> None:
    for alias in node.names:
        first = alias.name.partition(".")[0]
        scope.bind(alias.asname or first, Imported(alias.name if alias.asname else first))


def _import_from(node: ast.ImportFrom, scope: Scope) -> None:
    module = "." * node.level + (node.module or "")
    for alias in node.names:
        scope.bind(alias.asname or alias.name, Imported(f"{module}.{alias.name}"))


def _return(node: ast.Return, scope: Scope) -> None:
    if node.value is not None:
        scope.returned.append(Value(node.value, scope))


LEARN: Final[Mapping[type[ast.AST], Callable[[Any, Scope], None]]] = MappingProxyType(
    {
        ast.Assign: _assign,
        ast.AnnAssign: _assign_one,
        ast.NamedExpr: _assign_one,
        ast.AugAssign: _augment,
        ast.For: _loop,
        ast.AsyncFor: _loop,
        ast.comprehension: _loop,
        ast.Import: _import,
        ast.ImportFrom: _import_from,
        ast.Return: _return,
    }
)
