"""What the strings of a program say: hosts of Stripe's API, and keys in pieces."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from .. import messages
from ..findings import API_HOST, RAW_KEY
from ..hosts import HOST, THE_BASE, host_name, hosts_in_code
from ..keys import keys_in
from .folding import Folder
from .formatting import Text
from .names import Names
from .scopes import Scope
from .survey import Survey
from .violations import Violation, innermost

_OUR_SETTING: Final = "STRIPE_API_BASE"
_OUR_ARGUMENTS: Final = frozenset({"api_base", _OUR_SETTING})
_SETTERS: Final = frozenset({"setenv", "putenv"})
_TEXTS: Final = (ast.JoinedStr, ast.BinOp, ast.Call, ast.Subscript)


def telling_strings(survey: Survey, names: Names, folder: Folder) -> Iterator[Violation]:
    """Yield the strings that hold a host of the API or a raw key."""
    found = [*_literals(survey)]
    if found:
        passed_over = {*_inert(survey), *_our_settings(survey, names)}
        yield from (one for one in found if id(one.node) not in passed_over)
    yield from innermost(list(_texts_in_pieces(survey, folder)))


def _literals(survey: Survey) -> Iterator[Violation]:
    for node, _ in survey.each(ast.Constant):
        if isinstance(node.value, str | bytes):
            yield from _in_literal(node, _text(node.value))


def _texts_in_pieces(survey: Survey, folder: Folder) -> Iterator[Violation]:
    for node, scope in survey.each(*_TEXTS):
        yield from _put_together(node, folder.texts(node, scope))
    for node, scope in survey.each(ast.AugAssign):
        yield from _put_together(node, folder.texts(getattr(node, "total", node.value), scope))


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")


def _in_literal(node: ast.Constant, text: str) -> Iterator[Violation]:
    for match in hosts_in_code(text):
        yield Violation(API_HOST, node, messages.api_host(host_name(match)), HOST)
        break
    for key in keys_in(text):
        yield Violation(RAW_KEY, node, messages.raw_key(key.kind))
        break


def _put_together(node: ast.expr, texts: list[Text]) -> Iterator[Violation]:
    """What stands inside of one literal is found there; this is about what crosses a seam."""
    for text in texts:
        whole = "".join(text)
        for match in hosts_in_code(whole):
            if _crosses(match.start(), match.end(), text):
                yield Violation(API_HOST, node, messages.api_host(host_name(match)))
        for key in keys_in(whole):
            if _crosses(key.start, key.end, text):
                yield Violation(RAW_KEY, node, messages.raw_key(key.kind))


def _crosses(start: int, end: int, text: Text) -> bool:
    seam = 0
    for piece in text:
        seam += len(piece)
        if start < seam:
            return seam < end
    return False


def _inert(survey: Survey) -> Iterator[int]:
    """Docstrings, and other strings that are statements: nothing can be done with them."""
    for node, _ in survey.each(ast.Expr):
        if isinstance(node.value, ast.Constant):
            yield id(node.value)


def _our_settings(survey: Survey, names: Names) -> Iterator[int]:
    """Where the router is told where Stripe is: the one correct use of the API's base."""
    for value in _set_values(survey, names):
        text = value.value if isinstance(value, ast.Constant) else None
        if isinstance(text, str) and THE_BASE.fullmatch(text):
            yield id(value)


def _set_values(survey: Survey, names: Names) -> Iterator[ast.expr | None]:
    for call, scope in survey.each(ast.Call):
        yield from _set_by_call(call, scope, names)
    for node, _ in survey.each(ast.Dict):
        yield from (
            value for key, value in zip(node.keys, node.values, strict=True) if _is_setting(key)
        )
    for node, _ in survey.each(ast.Assign):
        if any(isinstance(to, ast.Subscript) and _is_setting(to.slice) for to in node.targets):
            yield node.value


def _set_by_call(call: ast.Call, scope: Scope, names: Names) -> Iterator[ast.expr]:
    ours = any("stripe_billing_router" in name.split(".") for name in names.of(call.func, scope))
    for keyword in call.keywords:
        if keyword.arg == _OUR_SETTING or (ours and keyword.arg in _OUR_ARGUMENTS):
            yield keyword.value
    if isinstance(call.func, ast.Attribute) and call.func.attr in _SETTERS:
        yield from (value for name, value in pairwise(call.args) if _is_setting(name))


def _is_setting(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value == _OUR_SETTING
