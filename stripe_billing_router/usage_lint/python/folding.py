"""What a text can be, as far as constants tell: concatenations, f-strings, aliases, loops.

A text is a tuple of pieces. A piece is a literal of the program, so that what is found inside of
one is found at that literal; what crosses the seam between two was put together. What cannot be
known is the piece `UNKNOWN`. Nothing of the program is run.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from typing import Final

from ..hosts import UNKNOWN
from .folds import FOLDS
from .formatting import Text
from .scopes import Binding, Element, Scope, Value

_NOT_KNOWN: Final[tuple[Text, ...]] = ((UNKNOWN,),)
_MOST: Final = 32
_MOST_OF_A_VARIABLE: Final = 256
_MOST_PIECES: Final = 1024
_DEEPEST: Final = 40


class Folder:
    """Finds the texts that an expression can have. Each expression and each variable is looked at
    once; one that depends on itself is taken for what is known of it so far."""

    def __init__(self) -> None:
        self._open: set[int] = set()
        self._known: dict[int, list[Text]] = {}
        self._variables: dict[int, list[Text]] = {}
        self._collections: dict[int, list[Value]] = {}

    def strings(self, node: ast.expr, scope: Scope) -> list[str]:
        """Return the texts that an expression can have, each as one string."""
        return ["".join(text) for text in self.texts(node, scope)]

    def texts(self, node: ast.expr, scope: Scope) -> list[Text]:
        """Return the texts that an expression can have; at least one, if only `UNKNOWN`."""
        if isinstance(node, ast.Name):
            return self._of_variable(scope.lookup(node.id)) or [*_NOT_KNOWN]
        fold = FOLDS.get(type(node))
        if fold is None or id(node) in self._open or len(self._open) >= _DEEPEST:
            return [*_NOT_KNOWN]
        if id(node) not in self._known:
            self._open.add(id(node))
            found = itertools.islice(fold(self, node, scope), _MOST)
            self._known[id(node)] = list(dict.fromkeys(map(_bounded, found))) or [*_NOT_KNOWN]
            self._open.discard(id(node))
        return self._known[id(node)]

    def _of_variable(self, bindings: list[Binding] | None) -> list[Text]:
        if not bindings:
            return []
        if id(bindings) not in self._variables:
            found = self._variables[id(bindings)] = []
            for binding in bindings:
                found += [text for text in self._bound(binding) if text not in found]
                del found[_MOST_OF_A_VARIABLE:]
        return [*self._variables[id(bindings)]]

    def _bound(self, binding: Binding) -> list[Text]:
        if isinstance(binding, Value):
            return self.texts(*binding)
        return list(self.one_of(*binding)) if isinstance(binding, Element) else []

    def elements(self, node: ast.expr, scope: Scope) -> list[Value]:
        """Return the elements of a list, a tuple or a set, or the values of a dictionary."""
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            return [Value(item, scope) for item in node.elts]
        if isinstance(node, ast.Dict):
            return [Value(item, scope) for item in node.values]
        bindings = scope.lookup(node.id) if isinstance(node, ast.Name) else None
        return self._elements_of_variable(bindings) if bindings else []

    def _elements_of_variable(self, bindings: list[Binding]) -> list[Value]:
        if id(bindings) not in self._collections:
            found = self._collections[id(bindings)] = []
            for binding in bindings:
                if isinstance(binding, Value):
                    found += self.elements(*binding)
        return [*self._collections[id(bindings)]]

    def one_of(self, node: ast.expr, scope: Scope) -> Iterator[Text]:
        """Yield the texts of all elements."""
        for item in self.elements(node, scope):
            yield from self.texts(*item)


def _bounded(text: Text) -> Text:
    return text if len(text) <= _MOST_PIECES else (UNKNOWN,)
