"""What each kind of expression makes of texts. `FOLDS` has the function for a node's type.

Each yields the texts, in pieces (see folding), that an expression can have; none for what it does
not know.
"""

from __future__ import annotations

import ast
import itertools
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from ..hosts import UNKNOWN
from .formatting import TRANSFORMS, Text, braces, percent, shattered, transformed
from .scopes import Function, Scope

if TYPE_CHECKING:
    from .folding import Folder


def _products(parts: Iterable[list[Text]]) -> Iterator[Text]:
    for chosen in itertools.product(*parts):
        yield tuple(itertools.chain.from_iterable(chosen))


def _constant(_folder: Folder, node: ast.Constant, _scope: Scope) -> Iterator[Text]:
    if isinstance(node.value, str):
        yield (node.value,)
    elif isinstance(node.value, bytes):
        yield (node.value.decode("latin-1"),)


def _joined(folder: Folder, node: ast.JoinedStr, scope: Scope) -> Iterator[Text]:
    return _products([folder.texts(value, scope) for value in node.values])


def _formatted(folder: Folder, node: ast.FormattedValue, scope: Scope) -> Iterator[Text]:
    plain = node.format_spec is None and node.conversion in (-1, ord("s"))
    return iter(folder.texts(node.value, scope) if plain else [(UNKNOWN,)])


def _operation(folder: Folder, node: ast.BinOp, scope: Scope) -> Iterator[Text]:
    if isinstance(node.op, ast.Add):
        yield from _products([folder.texts(part, scope) for part in _sum(node)])
    elif isinstance(node.op, ast.Mod):
        right = node.right.elts if isinstance(node.right, ast.Tuple) else [node.right]
        values = [folder.texts(value, scope) for value in right]
        for template in folder.texts(node.left, scope):
            yield from (percent(template, chosen) for chosen in itertools.product(*values))


def _sum(node: ast.BinOp) -> list[ast.expr]:
    """The operands of a chain of additions; a long chain is deep on its left side."""
    parts = [node.right]
    left = node.left
    while isinstance(left, ast.BinOp) and isinstance(left.op, ast.Add):
        parts.append(left.right)
        left = left.left
    return [left, *reversed(parts)]


def _either(folder: Folder, node: ast.IfExp | ast.BoolOp, scope: Scope) -> Iterator[Text]:
    values = [node.body, node.orelse] if isinstance(node, ast.IfExp) else node.values
    for value in values:
        yield from folder.texts(value, scope)


def _walrus(folder: Folder, node: ast.NamedExpr, scope: Scope) -> Iterator[Text]:
    return iter(folder.texts(node.value, scope))


def _starred(folder: Folder, node: ast.Starred, scope: Scope) -> Iterator[Text]:
    return folder.one_of(node.value, scope)


def _subscript(folder: Folder, node: ast.Subscript, scope: Scope) -> Iterator[Text]:
    if not isinstance(node.slice, ast.Slice):
        yield from folder.one_of(node.value, scope)
        return
    bounds = [_integer(part) for part in (node.slice.lower, node.slice.upper, node.slice.step)]
    for text in folder.texts(node.value, scope):
        if UNKNOWN not in text:
            yield shattered("".join(text)[slice(*bounds)])


def _integer(node: ast.expr | None) -> int | None:
    sign = 1
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node, sign = node.operand, -1
    value = node.value if isinstance(node, ast.Constant) else None
    return sign * value if isinstance(value, int) and value else None


def _call(folder: Folder, node: ast.Call, scope: Scope) -> Iterator[Text]:
    if isinstance(node.func, ast.Attribute):
        yield from _method(folder, node.func, node, scope)
    elif isinstance(node.func, ast.Name):
        if node.func.id in ("str", "bytes", "dedent") and node.args:
            yield from folder.texts(node.args[0], scope)
        elif node.func.id == "chr" and node.args:
            yield _character(node.args[0])
        for binding in scope.lookup(node.func.id) or ():
            if isinstance(binding, Function):
                for value in binding.scope.returned:
                    yield from folder.texts(*value)


def _character(node: ast.expr) -> Text:
    code = node.value if isinstance(node, ast.Constant) else None
    return (chr(code),) if isinstance(code, int) and 0 < code <= sys.maxunicode else (UNKNOWN,)


def _method(folder: Folder, method: ast.Attribute, call: ast.Call, scope: Scope) -> Iterator[Text]:
    if method.attr == "join" and len(call.args) == 1:
        yield from _join(folder, method.value, call.args[0], scope)
    elif method.attr == "format":
        yield from _format(folder, method.value, call, scope)
    elif method.attr == "dedent" and call.args:
        yield from folder.texts(call.args[0], scope)
    elif method.attr in ("get", "getenv"):
        yield from folder.one_of(method.value, scope)
        for default in call.args[1:2]:
            yield from folder.texts(default, scope)
    elif method.attr in TRANSFORMS:
        arguments = [folder.strings(argument, scope)[0] for argument in call.args]
        for text in folder.texts(method.value, scope):
            yield from transformed(text, method.attr, arguments)


def _join(folder: Folder, separator: ast.expr, items: ast.expr, scope: Scope) -> Iterator[Text]:
    parts = [folder.texts(*item) for item in folder.elements(items, scope)]
    for between in folder.texts(separator, scope):
        spaced = [part for item in parts for part in ([between], item)]
        yield from _products(spaced[1:])


def _format(folder: Folder, template: ast.expr, call: ast.Call, scope: Scope) -> Iterator[Text]:
    values = {str(place): folder.texts(value, scope) for place, value in enumerate(call.args)}
    for keyword in call.keywords:
        if keyword.arg is not None:
            values[keyword.arg] = folder.texts(keyword.value, scope)
    for text in folder.texts(template, scope):
        for chosen in itertools.product(*values.values()):
            yield braces(text, dict(zip(values, chosen, strict=True)))


_Fold = Callable[["Folder", Any, Scope], Iterator[Text]]

FOLDS: Final[Mapping[type[ast.AST], _Fold]] = MappingProxyType(
    {
        ast.Constant: _constant,
        ast.JoinedStr: _joined,
        ast.FormattedValue: _formatted,
        ast.BinOp: _operation,
        ast.IfExp: _either,
        ast.BoolOp: _either,
        ast.NamedExpr: _walrus,
        ast.Starred: _starred,
        ast.Subscript: _subscript,
        ast.Call: _call,
    }
)
