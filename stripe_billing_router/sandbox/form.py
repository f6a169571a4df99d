"""Stripe's form encoding: `a[b][0]=c` into nested dicts and lists."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

from .failures import invalid
from .wire import Json

_KEY = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_INDEX = re.compile(r"\[([^\[\]]*)\]")
_DEEPEST = 12
_FREE_KEYED = "metadata"


def parsed(form: str) -> Json:
    """Return the parameters of a form-encoded string; leaves are strings.

    `x[]=a&x[]=b` and `x[0]=a&x[1]=b` are both lists, except within metadata, whose keys are the
    caller's own. StripeFailure (400) where the keys contradict each other.
    """
    tree: Json = {}
    for name, value in parse_qsl(form, keep_blank_values=True, errors="replace"):
        _insert(tree, _path(name), value, name)
    return {name: _listed(name, value) for name, value in tree.items()}


def _path(name: str) -> list[str]:
    match = _KEY.fullmatch(name)
    if match is None:
        return [name]
    path = [match.group(1), *_INDEX.findall(match.group(2))]
    if len(path) > _DEEPEST:
        raise invalid("Invalid request: parameters are nested too deeply.")
    return path


def _insert(tree: Json, path: list[str], value: str, name: str) -> None:
    node = tree
    for step in path[:-1]:
        child = node.setdefault(step or str(len(node)), {})
        if not isinstance(child, dict):
            raise invalid(f"Invalid request: {name} was given both a value and fields.", path[0])
        node = child
    last = path[-1] or str(len(node))
    if isinstance(node.get(last), dict):
        raise invalid(f"Invalid request: {name} was given both a value and fields.", path[0])
    node[last] = value


def _listed(name: str, value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if name == _FREE_KEYED:
        return value
    children = {key: _listed(key, child) for key, child in value.items()}
    if children and all(key.isascii() and key.isdigit() for key in children):
        return [children[key] for key in sorted(children, key=lambda key: (len(key), key))]
    return children
