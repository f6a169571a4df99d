"""The parameters that the Stripe SDK itself declares, so that an SDK upgrade updates our lists."""

from __future__ import annotations

import difflib
import importlib
import re
import sys
import types
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from .locks import LATE_IMPORTS
from .redaction import shown

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SCHEMALESS = ("Dict[", "UntypedStripeObject", "Mapping[")


def declared(type_name: str) -> Mapping[str, str]:
    """Return the parameters of one request as `{name: annotation}`.

    `type_name` is the SDK's, such as `"PaymentIntentCreateParams"` or, in a sub-package,
    `"checkout.SessionCreateParams"`; KeyError if the SDK has none such.
    """
    return _fields(_typed_dict(type_name))


def unknown_names(type_name: str, params: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    """Yield `(dotted path, closest declared name or None)` for each undeclared parameter."""
    for where, name, cls, _ in _given(_typed_dict(type_name), params, ""):
        fields = _fields(cls)
        if name not in fields:
            close = difflib.get_close_matches(name, fields, 1) if isinstance(name, str) else []
            yield (where if isinstance(name, str) else shown(name)), (close[0] if close else None)


def no_single_values(type_name: str, params: Mapping[str, Any]) -> Iterator[str]:
    """Yield the dotted path of each list or dict that stands where one value is declared."""
    for where, name, cls, value in _given(_typed_dict(type_name), params, "", "[{}]"):
        several = isinstance(value, list | tuple | Mapping)
        if several and name in _fields(cls) and not _takes_several(cls, _fields(cls)[name]):
            yield where


def _takes_several(cls: type, annotation: str) -> bool:
    marks = ("List[", "Any", *_SCHEMALESS)
    return any(mark in annotation for mark in marks) or bool(_typed_dicts(cls, annotation))


@lru_cache(maxsize=256)
def _typed_dict(type_name: str) -> type:
    package, _, name = type_name.rpartition(".")
    with LATE_IMPORTS:
        module = importlib.import_module(f"stripe.params.{package}".rstrip("."))
        cls: type | None = getattr(module, name, None)
    if cls is None:
        raise KeyError(type_name)
    return cls


@lru_cache(maxsize=1024)
def _fields(cls: type) -> dict[str, str]:
    options = sys.modules["stripe._request_options"].RequestOptions.__annotations__
    return {
        name: annotation if isinstance(annotation, str) else _source(annotation)
        for name, annotation in cls.__annotations__.items()
        if name not in options
    }


def _source(annotation: Any) -> str:
    return getattr(annotation, "__forward_arg__", None) or str(annotation)


def _given(
    cls: type, params: Any, path: str, index: str = ""
) -> Iterator[tuple[str, Any, type, Any]]:
    """Yield the dotted path, the name, the type that should declare it, and the value of each
    parameter, at every depth. `index` is how a path names an item of a list."""
    if not isinstance(params, Mapping):
        return
    for name, value in params.items():
        where = f"{path}.{name}" if path else str(name)
        yield where, name, cls, value
        annotation = _fields(cls).get(name, _SCHEMALESS[0])
        inner = [] if any(m in annotation for m in _SCHEMALESS) else _typed_dicts(cls, annotation)
        if len(inner) == 1:
            several = isinstance(value, list | tuple)
            for number, item in enumerate(value if several else [value]):
                place = where + index.format(number) if several else where
                yield from _given(inner[0], item, place, index)


def _typed_dicts(cls: type, annotation: str) -> list[type]:
    module: types.ModuleType = sys.modules[cls.__module__]
    names = dict.fromkeys(_NAME.findall(annotation))
    found = (getattr(module, name, None) for name in names)
    return [t for t in found if isinstance(t, type) and hasattr(t, "__required_keys__")]
