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
    yield from _unknown(_typed_dict(type_name), params, "")


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


def _unknown(cls: type, params: Any, path: str) -> Iterator[tuple[str, str | None]]:
    if not isinstance(params, Mapping):
        return
    fields = _fields(cls)
    for name, value in params.items():
        where = f"{path}.{name}" if path else str(name)
        if name not in fields:
            close = difflib.get_close_matches(name, fields, 1) if isinstance(name, str) else []
            yield (where if isinstance(name, str) else shown(name)), (close[0] if close else None)
        elif not any(mark in fields[name] for mark in _SCHEMALESS):
            yield from _nested(cls, fields[name], value, where)


def _nested(cls: type, annotation: str, value: Any, where: str) -> Iterator[tuple[str, str | None]]:
    inner = _typed_dicts(cls, annotation)
    if len(inner) != 1:
        return
    for item in value if isinstance(value, list | tuple) else [value]:
        yield from _unknown(inner[0], item, where)


def _typed_dicts(cls: type, annotation: str) -> list[type]:
    module: types.ModuleType = sys.modules[cls.__module__]
    names = dict.fromkeys(_NAME.findall(annotation))
    found = (getattr(module, name, None) for name in names)
    return [t for t in found if isinstance(t, type) and hasattr(t, "__required_keys__")]
