"""One walk over a program: what the rules look at, each with its scope, and all bindings."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from .scopes import Element, Function, Imported, Scope, Value

_LOOKED_AT: Final = (
    *(ast.Import, ast.ImportFrom, ast.Call, ast.Attribute, ast.Subscript),
    *(ast.Constant, ast.JoinedStr, ast.BinOp, ast.List, ast.Tuple),
)
_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class Seen(NamedTuple):
    """A node and the scope that it is in."""

    node: ast.AST
    scope: Scope


class Survey:
    """The nodes of a program that rules look at, by type, and what was learned on the way.

    `inert` holds the ids of strings that stand for themselves: docstrings and their like.
    `inner` holds the ids of expressions that are a part of a larger text.
    """

    def __init__(self, tree: ast.Module) -> None:
        self._seen: dict[type[ast.AST], list[Seen]] = {kind: [] for kind in _LOOKED_AT}
        self.inert: set[int] = set()
        self.inner: set[int] = set()
        self._walk(tree)
        self._pass_arguments()

    def each(self, *kinds: type[ast.AST]) -> Iterator[tuple[Any, Scope]]:
        """Yield the nodes of these types with their scopes."""
        for kind in kinds:
            yield from self._seen[kind]

    def _walk(self, tree: ast.Module) -> None:
        waiting: list[tuple[ast.AST, Scope]] = [(tree, Scope())]
        while waiting:
            node, scope = waiting.pop()
            kind = type(node)
            if kind in self._seen:
                self._seen[kind].append(Seen(node, scope))
            learn = _LEARN.get(kind)
            if learn is not None:
                learn(self, node, scope)
            enter = _ENTER.get(kind)
            waiting += enter(node, scope) if enter else [(child, scope) for child in _below(node)]

    def _pass_arguments(self) -> None:
        """Bind what the program's own functions are called with to their parameters."""
        for call, scope in self.each(ast.Call):
            if isinstance(call.func, ast.Name):
                for function in scope.lookup(call.func.id) or ():
                    if isinstance(function, Function):
                        _bind_arguments(call, scope, function)


def _below(node: ast.AST) -> Iterator[ast.AST]:
    for name in node._fields:
        value = getattr(node, name, None)
        if type(value) is list:
            yield from (item for item in value if isinstance(item, ast.AST))
        elif isinstance(value, ast.AST) and name != "ctx":
            yield value


def _enter_function(node: Any, scope: Scope) -> list[tuple[ast.AST, Scope]]:
    """The body has a scope of its own; decorators, defaults and annotations do not."""
    inside = scope.for_function()
    _bind_parameters(node, scope, inside)
    body = node.body if isinstance(node.body, list) else [node.body]
    outside = [child for child in _below(node) if not any(child is part for part in body)]
    return [(child, scope) for child in outside] + [(child, inside) for child in body]


def _enter_class(node: Any, scope: Scope) -> list[tuple[ast.AST, Scope]]:
    inside = Scope(scope, is_class=True)
    return [(child, inside) for child in _below(node)]


def _bind_parameters(node: _Function, scope: Scope, inside: Scope) -> None:
    given = node.args
    positional = [*given.posonlyargs, *given.args]
    for parameter in [*positional, *given.kwonlyargs, given.vararg, given.kwarg]:
        if parameter is not None:
            inside.declare(parameter.arg)
    late = positional[len(positional) - len(given.defaults) :]
    for parameter, default in [
        *zip(late, given.defaults, strict=True),
        *zip(given.kwonlyargs, given.kw_defaults, strict=True),
    ]:
        if default is not None:
            inside.bind(parameter.arg, Value(default, scope))
    function = Function([parameter.arg for parameter in positional], inside)
    if isinstance(node, ast.Lambda):
        inside.returned.append(Value(node.body, inside))
        node._function = function  # type: ignore[attr-defined]
    else:
        scope.bind(node.name, function)


def _bind_arguments(call: ast.Call, scope: Scope, function: Function) -> None:
    for name, argument in zip(function.positional, call.args, strict=False):
        function.scope.bind(name, Value(argument, scope))
    for keyword in call.keywords:
        if keyword.arg is not None:
            function.scope.bind(keyword.arg, Value(keyword.value, scope))
