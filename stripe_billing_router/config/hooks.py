"""The section `hooks`: which code of the host takes part, by dotted path; and its import."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from functools import partial, reduce
from importlib import import_module
from typing import Any, Final

from ..frozen import frozen
from ..models import Fault
from ..redaction import redact, shown
from .checking import mapping, wrong
from .faults import faulty

_NAME: Final = r"[^\W\d]\w*"
_PATH: Final = re.compile(rf"{_NAME}(?:\.{_NAME})*(?::{_NAME}(?:\.{_NAME})*)?")


@frozen
class Hooks:
    """Dotted paths (`package.module:attribute` or `package.module`) of the host's own code.

    `menace_sanity_layer` has a `record_payment_anomaly`, `rollback_manager` an `auto_rollback`;
    `alert_dispatcher` is called with each alert that is to be sent, every one of `rollback` with a
    bot id and a reason. They are imported when a router is made, not when the file is read.
    """

    menace_sanity_layer: str | None = None
    alert_dispatcher: str | None = None
    rollback_manager: str | None = None
    rollback: tuple[str, ...] = ()


def _path(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, str) and len(value) <= 255 and _PATH.fullmatch(value):
        return value
    raise wrong(f"is {shown(value)}, not a path such as package.module:attribute")


def _paths(value: object) -> tuple[str, ...]:
    given = value if isinstance(value, list) else [value]
    return tuple(found for found in map(_path, given) if found is not None)


_FIELDS: Final = mapping(
    {
        "menace_sanity_layer": _path,
        "alert_dispatcher": _path,
        "rollback_manager": _path,
        "rollback": _paths,
    }
)


def hooks(value: object) -> Hooks:
    """The check of the section."""
    return Hooks(**_FIELDS(value))


_METHODS = {
    "menace_sanity_layer": "record_payment_anomaly",
    "rollback_manager": "auto_rollback",
}
_CALLED: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "record_payment_anomaly": (("event_type", "metadata"), ("severity",)),
    "auto_rollback": (("bot_id",), ("reason",)),
    "alert_dispatcher": (("alert",), ()),
    "rollback": (("bot_id", "reason"), ()),
    "check_bot": (("bot",), ()),
    "check_intent": (("intent",), ()),
    "notify": (("event",), ()),
    "react": (("discrepancy",), ()),
}
"""With which arguments each is called: by place, and by name."""

_PARTS = {
    "guards": ("check_bot", "check_intent"),
    "observers": ("notify",),
    "reactions": ("react",),
}
"""The methods of each of what a host gives in code, in a list."""

_LATER = inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction


@frozen
class HostCode:
    """What the host plugs in; None where it keeps ours."""

    menace_sanity_layer: Any = None
    alert_dispatcher: Callable[[Any], object] | None = None
    rollback_manager: Any = None
    rollback: tuple[Callable[[str, str], object], ...] = ()


def import_hooks(hooks: Hooks, given: HostCode) -> HostCode:
    """Return what is `given` in code, else what `hooks` names; hooks for rollback add up.

    Raises one ConfigurationError with every hook that cannot be imported, or does not fit.
    """
    faults: list[Fault] = []
    found = partial(_found, hooks, given, faults)
    code = HostCode(
        found("menace_sanity_layer"),
        found("alert_dispatcher"),
        found("rollback_manager"),
        (*given.rollback, *_rollbacks(hooks, given, faults)),
    )
    if faults:
        raise faulty("the hooks", faults, "Correct the section hooks, or the code it names.")
    return code


def check_parts(**given: object) -> None:
    """Raise one ConfigurationError with every guard, observer and reaction that does not fit."""
    faults = [fault for name, parts in given.items() for fault in _misfits(name, parts)]
    if faults:
        raise faulty("what the router is given", faults, "Correct the code that it is given.")


def _misfits(name: str, parts: object) -> Iterator[Fault]:
    if not isinstance(parts, list | tuple):
        yield Fault(name, "is not a list or tuple")
        return
    for number, part in enumerate(parts):
        for method in _PARTS[name]:
            called = getattr(part, method, None)
            where = f"{name}.{number}"
            if isinstance(part, type) or not callable(called):
                yield Fault(where, f"has no {method}()")
            elif (why := _cannot_be_called(called, *_CALLED[method])) is not None:
                yield Fault(where, f"{method}() {why}")


def _found(hooks: Hooks, given: HostCode, faults: list[Fault], name: str) -> Any:
    path, ours = getattr(hooks, name), getattr(given, name)
    if ours is None and path is None:
        return None
    return _checked(f"hooks.{name}", ours, path, name, faults)


def _rollbacks(hooks: Hooks, given: HostCode, faults: list[Fault]) -> list[Any]:
    for number, hook in enumerate(given.rollback):
        _checked(f"rollback_hooks.{number}", hook, None, "rollback", faults)
    return [
        _checked(f"hooks.rollback.{number}", None, path, "rollback", faults)
        for number, path in enumerate(hooks.rollback)
    ]


def _checked(where: str, ours: Any, path: str | None, name: str, faults: list[Fault]) -> Any:
    """Return an instance that has the method of the hook `name`, or something to call where it has
    none; it takes what it will be called with."""
    method = _METHODS.get(name)
    try:
        value = ours if path is None or ours is not None else _imported(path)
        if method is not None and isinstance(value, type):
            value = value()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a host's module may raise anything
        faults.append(Fault(where, redact(f"cannot be used: {type(error).__name__}: {error}")))
        return None
    called = value if method is None else getattr(value, method, None)
    if not callable(called):
        what = "is not something to call" if method is None else f"has no {method}()"
        faults.append(Fault(where, what))
    elif (why := _cannot_be_called(called, *_CALLED[method or name])) is not None:
        faults.append(Fault(where, why))
    return value


def _cannot_be_called(
    called: Callable[..., Any], by_place: tuple[str, ...], by_name: tuple[str, ...]
) -> str | None:
    """Return why a call with these arguments would fail on the day it is needed, or None."""
    if any(runs_later(each) for each in (called, type(called).__call__) for runs_later in _LATER):
        return "is a coroutine function, or a generator, of which a call alone runs nothing here"
    try:
        signature = inspect.signature(called)
    except (TypeError, ValueError):  # what is written in C may not tell
        return None
    try:
        signature.bind(*by_place, **dict.fromkeys(by_name))
    except TypeError as error:
        arguments = ", ".join((*by_place, *(f"{name}=…" for name in by_name)))
        return f"is called with ({arguments}), which does not fit: {error}"
    return None


def _imported(path: str) -> Any:
    module, _, attribute = path.partition(":")
    if attribute:
        return reduce(getattr, attribute.split("."), import_module(module))
    return _of_dots(module)


def _of_dots(path: str) -> Any:
    """Return a module, or what its last name stands for in the module before it."""
    try:
        return import_module(path)
    except ModuleNotFoundError as error:
        parent, _, last = path.rpartition(".")
        if error.name != path or not parent:
            raise
        module = import_module(parent)
        if not hasattr(module, last):
            raise
    return getattr(module, last)
