"""Lists: newest first, filtered, a page at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from .failures import invalid
from .family import Call
from .wire import Json, envelope

_DEFAULT_LIMIT, _MOST = 10, 100
_COMPARE: Mapping[str, Callable[[int, int], bool]] = {
    "gt": lambda value, bound: value > bound,
    "gte": lambda value, bound: value >= bound,
    "lt": lambda value, bound: value < bound,
    "lte": lambda value, bound: value <= bound,
}

Keep = Callable[[Json], bool]


def listing(
    call: Call,
    kind: str,
    filters: Mapping[str, str] | None = None,
    keep: Keep | None = None,
    created: str = "created",
) -> Json:
    """Return one page of the objects of a kind.

    `filters` maps a parameter to the (dotted) field that must equal it; `keep` decides about the
    rest. The parameter `created` is always understood; the field `created` names holds that time.
    """
    wanted = _wanted(call, filters or {}, keep, created)
    objects = list(call.account.all(kind))
    return page(call, objects, kind, wanted)


def page(call: Call, objects: list[Json], kind: str, keep: Keep = lambda _: True) -> Json:
    """Return one page of `objects`, which are in the order of the list."""
    limit = _limit(call.params)
    after, before = call.params.get("starting_after"), call.params.get("ending_before")
    if after and before:
        raise invalid(
            "You may only specify one of these parameters: starting_after, ending_before."
        )
    if before:
        newer = filter(keep, reversed(objects[: _position(call, objects, kind, "ending_before")]))
        found = list(islice(newer, limit + 1))
        return envelope(call.path, found[:limit][::-1], len(found) > limit)
    start = _position(call, objects, kind, "starting_after") + 1 if after else 0
    found = list(islice(filter(keep, objects[start:]), limit + 1))
    return envelope(call.path, found[:limit], len(found) > limit)


def field_of(obj: Any, dotted: str) -> Any:
    """Return a field of a nested object, None where the path ends early."""
    for name in dotted.split("."):
        obj = obj.get(name) if isinstance(obj, Mapping) else None
    return obj


def _limit(params: Json) -> int:
    limit: int = params.get("limit", _DEFAULT_LIMIT)
    if not 1 <= limit <= _MOST:
        bound = "greater than or equal to 1" if limit < 1 else f"less than or equal to {_MOST}"
        message = f"This value must be {bound}."
        raise invalid(message, "limit", "parameter_invalid_integer")
    return limit


def _position(call: Call, objects: list[Json], kind: str, param: str) -> int:
    wanted = call.params[param]
    for position, obj in enumerate(objects):
        if obj["id"] == wanted:
            return position
    raise call.account.missing(kind, wanted, param)


def _wanted(call: Call, filters: Mapping[str, str], keep: Keep | None, created: str) -> Keep:
    if "customer" in filters and "customer" in call.params:
        call.account.require("customer", call.params["customer"], "customer")
    tests: list[Keep] = [keep] if keep else []
    tests += [
        _equals(path, call.params[name]) for name, path in filters.items() if name in call.params
    ]
    if "created" in call.params:
        tests.append(_within(call.params["created"], created))
    return lambda obj: all(test(obj) for test in tests)


def _equals(path: str, value: Any) -> Keep:
    return lambda obj: field_of(obj, path) == value


def _within(bounds: Any, field: str) -> Keep:
    """Return a test of a time (seconds): equal to a number, or within `{"gte": …}` bounds."""
    if isinstance(bounds, int):
        return lambda obj: obj[field] == bounds
    return lambda obj: all(_COMPARE[name](obj[field], bound) for name, bound in bounds.items())
