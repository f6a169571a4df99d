"""What a parameter may look like, read from the annotation that the Stripe SDK gives it."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from functools import lru_cache

_CLASS = re.compile(r"<class '(?:\w+\.)*(\w+)'>")
_WRAPPERS = frozenset({"NotRequired", "Required", "Optional", "Union"})
_MAPPINGS = frozenset({"Dict", "dict", "Mapping", "UntypedStripeObject"})
_LISTS = frozenset({"List", "list", "Sequence"})
_SCALARS = {
    "int": "integer",
    "bool": "boolean",
    "str": "string",
    "float": "number",
    "Decimal": "decimal",
    "Any": "string",
}


@dataclass(slots=True)
class Shape:
    """The alternatives of one parameter.

    `scalars`: of integer, boolean, number, decimal (which stays text), string. `words`: the values
    of an enumeration.
    `item`: the shape of a list's items. `fields`: the SDK's type name of an object. `free`: the
    shape of the values of an object whose keys are the caller's own. `clearable`: an empty string
    unsets it.
    """

    required: bool = False
    scalars: set[str] = field(default_factory=set)
    words: list[str] = field(default_factory=list)
    item: Shape | None = None
    fields: str | None = None
    free: Shape | None = None

    @property
    def clearable(self) -> bool:
        return "" in self.words

    @property
    def choices(self) -> list[str]:
        return [word for word in self.words if word]


@lru_cache(maxsize=4096)
def shape_of(annotation: str) -> Shape:
    """Return the shape that an annotation, as `stripe_parameters.declared` gives it, describes."""
    shape = Shape(required="NotRequired[" not in annotation)
    _collect(_tree(annotation), shape)
    return shape


def _tree(source: str) -> ast.expr:
    return ast.parse(_CLASS.sub(r"\1", source).strip(), mode="eval").body


def _collect(node: ast.expr, shape: Shape) -> None:
    if isinstance(node, ast.Name | ast.Attribute):
        _named(node.id if isinstance(node, ast.Name) else node.attr, shape)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        _collect(_tree(node.value), shape)
    elif isinstance(node, ast.Call):
        _collect(node.args[0], shape)
    elif isinstance(node, ast.BinOp):
        _collect(node.left, shape)
        _collect(node.right, shape)
    elif isinstance(node, ast.Tuple):
        for part in node.elts:
            _collect(part, shape)
    elif isinstance(node, ast.Subscript):
        _subscripted(node, shape)


def _named(name: str, shape: Shape) -> None:
    if name in _SCALARS:
        shape.scalars.add(_SCALARS[name])
    elif name not in ("None", "NoneType"):
        shape.fields = name


def _subscripted(node: ast.Subscript, shape: Shape) -> None:
    base = node.value.attr if isinstance(node.value, ast.Attribute) else ast.unparse(node.value)
    if base in _WRAPPERS:
        _collect(node.slice, shape)
    elif base in _LISTS:
        shape.item = Shape()
        _collect(node.slice, shape.item)
    elif base in _MAPPINGS:
        shape.free = Shape()
        _collect(_value_of(node.slice), shape.free)
    elif base == "Literal":
        shape.words += _words(node.slice)


def _value_of(node: ast.expr) -> ast.expr:
    return node.elts[-1] if isinstance(node, ast.Tuple) else node


def _words(node: ast.expr) -> list[str]:
    parts = node.elts if isinstance(node, ast.Tuple) else [node]
    return [str(part.value) for part in parts if isinstance(part, ast.Constant)]
