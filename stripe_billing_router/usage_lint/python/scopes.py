"""What names of a program are bound to: enough of it to see through constants and aliases."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import NamedTuple


class Imported(NamedTuple):
    """A module or what was taken from one, by its dotted name."""

    name: str


class Value(NamedTuple):
    """The value of an expression."""

    node: ast.expr
    scope: Scope


class Element(NamedTuple):
    """Any one of the elements of an expression's value, as in a loop."""

    node: ast.expr
    scope: Scope


class Function(NamedTuple):
    """A function of this program: its parameters, and the scope of its body."""

    positional: Sequence[str]
    scope: Scope

    def take(self, call: ast.Call, scope: Scope) -> None:
        """Bind the arguments of a call, which is in `scope`, to the parameters."""
        for name, argument in zip(self.positional, call.args, strict=False):
            self.scope.bind(name, Value(argument, scope))
        for keyword in call.keywords:
            if keyword.arg is not None:
                self.scope.bind(keyword.arg, Value(keyword.value, scope))


Binding = Imported | Value | Element | Function


class Scope:
    """The names of a module, a class or a function. A name may be bound more than once: all
    its bindings count, in whatever order they run."""

    __slots__ = ("_bindings", "_is_class", "_parent", "returned")

    def __init__(self, parent: Scope | None = None, *, is_class: bool = False) -> None:
        self._parent = parent
        self._is_class = is_class
        self._bindings: dict[str, list[Binding]] = {}
        self.returned: list[Value] = []

    def for_function(self) -> Scope:
        """Return a new scope for a function's body, which does not see the names of a class."""
        scope = self
        while scope._is_class and scope._parent is not None:
            scope = scope._parent
        return Scope(scope)

    def declare(self, name: str) -> None:
        """Note that a name is bound here, to nobody knows what."""
        self._bindings.setdefault(name, [])

    def bind(self, name: str, binding: Binding) -> None:
        """Add what a name is bound to."""
        self._bindings.setdefault(name, []).append(binding)

    def lookup(self, name: str) -> list[Binding] | None:
        """Return what a name is bound to where it is seen from here; None for a built-in."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope._bindings:
                return scope._bindings[name]
            scope = scope._parent
        return None
