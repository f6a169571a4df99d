"""Where a new scope begins. `ENTER` has the function for a node's type."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from .scopes import Function, Scope, Value

Below = list[tuple[ast.AST, Scope]]
_INNER: Final = (
    *(ast.expr, ast.stmt, ast.arguments, ast.keyword, ast.comprehension, ast.excepthandler),
    *(ast.withitem, ast.match_case, ast.pattern, ast.arg),
)
_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def below(node: ast.AST) -> list[ast.AST]:
    """Return the nodes that a node consists of, in the order of the text, without mere names."""
    found: list[ast.AST] = []
    for name in node._fields:
        value = getattr(node, name, None)
        if type(value) is list:
            found += [item for item in value if isinstance(item, _INNER)]
        elif isinstance(value, _INNER):
            found.append(value)
    return [child for child in found if type(child) is not ast.Name]


def _class(node: ast.ClassDef, scope: Scope) -> Below:
    inside = Scope(scope, is_class=True)
    return [(child, inside) for child in below(node)]


def _function(node: _Function, scope: Scope) -> Below:
    """The body has a scope of its own; decorators, defaults and annotations do not."""
    inside = scope.for_function()
    _bind(node, scope, inside)
    body: list[ast.AST] = [*node.body] if isinstance(node.body, list) else [node.body]
    own = {id(part) for part in body}
    around = [(child, scope) for child in below(node) if id(child) not in own]
    return around + [(child, inside) for child in body]


def _bind(node: _Function, scope: Scope, inside: Scope) -> None:
    given = node.args
    positional = [*given.posonlyargs, *given.args]
    for parameter in (*positional, *given.kwonlyargs, given.vararg, given.kwarg):
        if parameter is not None:
            inside.declare(parameter.arg)
    _bind_defaults(positional[len(positional) - len(given.defaults) :], given.defaults, inside)
    _bind_defaults(given.kwonlyargs, given.kw_defaults, inside)
    if isinstance(node, ast.Lambda):
        inside.returned.append(Value(node.body, inside))
    name = getattr(node, "name", None)
    if name is not None:
        scope.bind(name, Function([parameter.arg for parameter in positional], inside))


def _bind_defaults(
    parameters: list[ast.arg], defaults: list[ast.expr] | list[ast.expr | None], inside: Scope
) -> None:
    for parameter, default in zip(parameters, defaults, strict=True):
        if default is not None:
            inside.bind(parameter.arg, Value(default, inside))


ENTER: Final[Mapping[type[ast.AST], Callable[[Any, Scope], Below]]] = MappingProxyType(
    {
        ast.ClassDef: _class,
        ast.FunctionDef: _function,
        ast.AsyncFunctionDef: _function,
        ast.Lambda: _function,
    }
)
