"""Frozen dataclasses that cost nothing until they are used: a process loads many, and uses few."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass, field, fields
from typing import Any, NoReturn, TypeVar, dataclass_transform

from .locks import LATE_IMPORTS

T = TypeVar("T")

_TEMPLATE = "__frozen_template__"


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[T]) -> type[T]:
    """Make a class what `dataclass(frozen=True, slots=True)` makes of it.

    Its methods are generated when one of them is first looked up, which takes most of the time.
    """
    body = dict(vars(cls))
    names = [name for name, kind in cls.__annotations__.items() if "ClassVar" not in str(kind)]
    for name in ("__dict__", "__weakref__", *names):
        body.pop(name, None)
    body = {**_LATE, **_SHARED, **body, "__slots__": tuple(names), _TEMPLATE: cls}
    if body["__hash__"] is None:  # a class with __eq__ of its own
        body["__hash__"] = _LATE["__hash__"]
    kind: Any = type(cls)
    made: type[T] = kind(cls.__name__, cls.__bases__, body)
    return made


class _Late:
    """Stands for what is generated, in the place where it will be."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type) -> Any:
        home = next(one for one in owner.__mro__ if self._name in vars(one))
        with LATE_IMPORTS:
            if vars(home)[self._name] is self:
                _generate(home)
        return getattr(owner if instance is None else instance, self._name)


def _generate(cls: Any) -> None:
    made = vars(dataclass(frozen=True)(vars(cls)[_TEMPLATE]))
    for name, late in _LATE.items():
        if vars(cls).get(name) is late:
            setattr(cls, name, made[name])


def _refuse(_self: object, name: str, *_value: object) -> NoReturn:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _state(self: Any) -> list[Any]:
    return [getattr(self, one.name) for one in fields(self)]


def _restore(self: Any, state: list[Any]) -> None:
    for one, value in zip(fields(self), state, strict=True):
        object.__setattr__(self, one.name, value)


_LATE = {
    name: _Late(name)
    for name in """
    __init__ __repr__ __eq__ __hash__ __match_args__ __dataclass_fields__ __dataclass_params__
    """.split()
}
_SHARED = {
    "__setattr__": _refuse,
    "__delattr__": _refuse,
    "__getstate__": _state,
    "__setstate__": _restore,
}
