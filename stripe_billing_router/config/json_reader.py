"""JSON text to plain data, with duplicate names found."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from typing import Any, NoReturn

from ..models import Fault
from ..redaction import shown
from ..routing import dotted
from .faults import Unreadable

_Repeated = list[tuple[dict[str, Any], str]]


def parse_json(text: str) -> tuple[Any, list[Fault]]:
    """Return `(data, faults)`; numbers stay text. Unreadable for what is not JSON."""
    repeated: _Repeated = []

    def mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            counts = Counter(name for name, _ in pairs)
            repeated.extend((found, name) for name, count in counts.items() if count > 1)
        return found

    data = _loaded(text, mapping)
    return data, list(_duplicates(data, repeated)) if repeated else []


def _loaded(text: str, mapping: Any) -> Any:
    try:
        return json.loads(
            text,
            object_pairs_hook=mapping,
            parse_int=str,
            parse_float=str,
            parse_constant=_not_a_number,
        )
    except json.JSONDecodeError as error:
        why = f"is not JSON: {error.msg} in line {error.lineno}, column {error.colno}"
    except RecursionError:
        why = "is nested too deeply; a routing file needs no more than eight levels"
    raise Unreadable(why)


def _not_a_number(name: str) -> NoReturn:
    raise Unreadable(f"is not JSON: {name} is no number; write digits")


def _duplicates(data: Any, repeated: _Repeated) -> Iterator[Fault]:
    """Yield a fault for each; an object inside a value that a duplicate replaced has no path."""
    names: dict[int, list[str]] = {}
    for found, name in repeated:
        names.setdefault(id(found), []).append(name)
    for path, mapping in _mappings(data):
        for name in names.pop(id(mapping), []):
            yield Fault(dotted(path), f"{shown(name)} is given twice")
    for name in chain.from_iterable(names.values()):
        yield Fault("", f"{shown(name)} is given twice, inside a value that is itself given twice")


def _mappings(data: Any) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    waiting: list[tuple[tuple[str, ...], Any]] = [((), data)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, dict):
            yield path, value
            waiting += [((*path, name), inner) for name, inner in value.items()]
        elif isinstance(value, list):
            waiting += [((*path, str(place)), inner) for place, inner in enumerate(value)]
