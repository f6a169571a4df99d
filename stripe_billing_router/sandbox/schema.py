"""Check a request's parameters against what the Stripe SDK declares, and give them their types."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..stripe_parameters import declared, unknown_names
from .failures import StripeFailure, invalid, missing_param, unknown_params
from .shapes import Shape, shape_of
from .wire import Json

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)
_NUMBER = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,30})?", re.ASCII)
_BOOLEANS = {"true": True, "false": False}


def checked(type_name: str, params: Json) -> Json:
    """Return `params` (strings, lists, dicts) with integers and booleans in place.

    StripeFailure (400) for an unknown name, a missing one, or a value of the wrong type.
    `type_name` is the SDK's, such as `"PaymentIntentCreateParams"`.
    """
    unknown = list(unknown_names(type_name, params))
    if unknown:
        names = [_bracketed(path, params) for path, _ in unknown]
        raise unknown_params(names, unknown[0][1])
    return _object(type_name, params, "")


def _object(type_name: str, params: Json, path: str) -> Json:
    shapes = {name: shape_of(annotation) for name, annotation in declared(type_name).items()}
    for name, shape in shapes.items():
        if shape.required and name not in params:
            raise missing_param(_under(path, name))
    package = type_name.rpartition(".")[0]
    return {
        name: _value(shapes[name], value, _under(path, name), package)
        for name, value in params.items()
        if name in shapes
    }


def _under(path: str, name: object) -> str:
    return f"{path}[{name}]" if path else str(name)


def _value(shape: Shape, value: Any, path: str, package: str) -> Any:
    if isinstance(value, str):
        return _empty(shape, path) if value == "" else _scalar(shape, value, path)
    if isinstance(value, list):
        return _list(shape, value, path, package)
    return _mapping(shape, value, path, package)


def _empty(shape: Shape, path: str) -> str:
    if shape.clearable or shape.free:
        return ""
    raise invalid(
        f"You passed an empty string for '{path}'. An empty value unsets a parameter; however "
        f"'{path}' cannot be unset. Leave it out, or give it a value.",
        path,
        "parameter_invalid_empty",
    )


def _scalar(shape: Shape, value: str, path: str) -> str | int | float | bool:
    if "boolean" in shape.scalars and value in _BOOLEANS:
        return _BOOLEANS[value]
    if "integer" in shape.scalars and _INTEGER.fullmatch(value):
        return int(value)
    if shape.choices:
        return _choice(shape, value, path)
    if "number" in shape.scalars and _NUMBER.fullmatch(value):
        return float(value)
    if "string" in shape.scalars or ("decimal" in shape.scalars and _NUMBER.fullmatch(value)):
        return value
    raise _wrong_type(shape, value, path)


def _choice(shape: Shape, value: str, path: str) -> str:
    if value in shape.choices:
        return value
    raise invalid(f"Invalid {path}: must be one of {', '.join(shape.choices)}", path)


def _wrong_type(shape: Shape, value: object, path: str) -> StripeFailure:
    if "integer" in shape.scalars:
        return invalid(f"Invalid integer: {value}", path, "parameter_invalid_integer")
    if "boolean" in shape.scalars:
        return invalid(f"Invalid boolean: {value}", path)
    if {"number", "decimal"} & shape.scalars:
        return invalid(f"Invalid decimal: {value}", path)
    kind = "array" if shape.item else "object" if shape.fields or shape.free else "string"
    return invalid(f"Invalid {kind}", path)


def _list(shape: Shape, value: list[Any], path: str, package: str) -> Any:
    if shape.item is None:
        raise _wrong_type(shape, "an array", path)
    item = shape.item
    return [_value(item, child, _under(path, n), package) for n, child in enumerate(value)]


def _mapping(shape: Shape, value: Json, path: str, package: str) -> Any:
    if shape.free:
        return _keyed(shape.free, value, path, package)
    if shape.fields is None:
        raise _wrong_type(shape, "an object", path)
    return _object(f"{package}.{shape.fields}".lstrip("."), value, path)


def _keyed(shape: Shape, value: Json, path: str, package: str) -> Json:
    return {
        name: child if child == "" else _value(shape, child, _under(path, name), package)
        for name, child in value.items()
    }


def _bracketed(dotted: str, params: Any) -> str:
    """Return a dotted path as Stripe writes it, with the index of the first list item it is in."""
    path, node = "", params
    for step in dotted.split("."):
        if isinstance(node, list):
            index = next(
                n for n, item in enumerate(node) if isinstance(item, Mapping) and step in item
            )
            path, node = _under(path, index), node[index]
        path, node = _under(path, step), node.get(step) if isinstance(node, Mapping) else None
    return path
