"""Importing the host's code that the section `hooks` names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, reduce
from importlib import import_module
from typing import Any

from ..models import Fault
from ..redaction import redact
from .faults import faulty
from .hooks import Hooks

_METHODS = {
    "menace_sanity_layer": "record_payment_anomaly",
    "rollback_manager": "auto_rollback",
}


@dataclass(frozen=True, slots=True)
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


def _found(hooks: Hooks, given: HostCode, faults: list[Fault], name: str) -> Any:
    path, ours = getattr(hooks, name), getattr(given, name)
    if ours is None and path is None:
        return None
    return _checked(f"hooks.{name}", ours, path, _METHODS.get(name), faults)


def _rollbacks(hooks: Hooks, given: HostCode, faults: list[Fault]) -> list[Any]:
    for number, hook in enumerate(given.rollback):
        _checked(f"rollback_hooks.{number}", hook, None, None, faults)
    return [
        _checked(f"hooks.rollback.{number}", None, path, None, faults)
        for number, path in enumerate(hooks.rollback)
    ]


def _checked(
    where: str, ours: Any, path: str | None, method: str | None, faults: list[Fault]
) -> Any:
    """Return an instance that has `method`, or, without one, something to call."""
    try:
        value = ours if path is None or ours is not None else _imported(path)
        if method is not None and isinstance(value, type):
            value = value()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a host's module may raise anything
        faults.append(Fault(where, redact(f"cannot be used: {type(error).__name__}: {error}")))
        return None
    if not callable(value if method is None else getattr(value, method, None)):
        what = "is not something to call" if method is None else f"has no {method}()"
        faults.append(Fault(where, what))
    return value


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
