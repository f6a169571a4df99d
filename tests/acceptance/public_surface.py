"""What users may rely on, as data: every public name, its signature, and a hash of its docstring.

It reads the same on every Python that the package supports.
"""

from __future__ import annotations

import enum
import hashlib
import inspect
from collections.abc import Iterator, Set
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ForwardRef

from stripe_billing_router import PUBLIC_MODULES

PACKAGE = "stripe_billing_router"
MODULES = (PACKAGE, *(f"{PACKAGE}.{name}" for name in sorted(PUBLIC_MODULES)))


@dataclass(frozen=True)
class Public:
    """One name: what it is, with its signature, and a hash of its docstring, if it has one."""

    signature: str
    docstring: str = ""


class _Shown(str):
    """An annotation as it was written, whatever the version of Python."""

    __slots__ = ()
    __repr__ = str.__str__


def surface() -> dict[str, Public]:
    """Return every public name, by its dotted path; what has several is described at the first."""
    exported = {f"{path}.{own}": found for path in MODULES for own, found in _names_of(path)}
    first: dict[int, str] = {}
    for path, found in exported.items():
        first.setdefault(id(found), path)
    described = {path: Public("module") for path in MODULES}
    for path, found in exported.items():
        if callable(found) and first[id(found)] != path:
            described[path] = Public(f"is {first[id(found)]}")
        else:
            described |= _described(path, found, first.keys())
    return described


def _names_of(path: str) -> Iterator[tuple[str, Any]]:
    """Yield what a module says it exports, else the functions and classes that it defines."""
    module = import_module(path)
    defined = (
        name
        for name, found in vars(module).items()
        if name[0] != "_" and getattr(found, "__module__", None) == path and callable(found)
    )
    for name in getattr(module, "__all__", defined):
        yield name, getattr(module, name)


def _described(path: str, found: Any, known: Set[int]) -> dict[str, Public]:
    if inspect.isclass(found):
        itself = {path: Public(f"class{_call(found)}", _hash_of(found.__doc__))}
        return itself | {f"{path}.{name}": member for name, member in _members(found, known)}
    if inspect.isroutine(found):
        return {path: Public(f"{_kind(found)}{_call(found)}", _hash_of(found.__doc__))}
    return {path: Public("module" if inspect.ismodule(found) else f"data: {type(found).__name__}")}


def _kind(function: Any) -> str:
    if inspect.isasyncgenfunction(function):
        return "async generator"
    return "coroutine" if inspect.iscoroutinefunction(function) else "function"


def _members(cls: type, known: Set[int]) -> Iterator[tuple[str, Public]]:
    """Yield the public members that a class has of its own, or of bases that are not public."""
    if issubclass(cls, enum.Enum):
        yield from ((each.name, Public(f"member = {each.value!r}")) for each in cls)
        return
    for base in reversed(_own_bases(cls, known)):
        annotations = inspect.get_annotations(base)
        for name in sorted({*vars(base), *annotations}):
            if name[0] != "_":
                yield name, _member(vars(base).get(name), annotations.get(name))


def _own_bases(cls: type, known: Set[int]) -> list[type]:
    ours = [base for base in cls.__mro__[1:] if base.__module__.startswith(PACKAGE)]
    return [cls, *(base for base in ours if id(base) not in known)]


def _member(found: Any, annotation: Any) -> Public:
    if isinstance(found, classmethod | staticmethod):
        found = found.__func__
    if isinstance(found, property):
        return Public(f"property{_call(found.fget)}", _hash_of(found.__doc__))
    if inspect.isroutine(found) and not inspect.isdatadescriptor(found):
        return Public(f"method{_call(found)}", _hash_of(found.__doc__))
    return Public(f"attribute: {_shown(annotation) or type(found).__name__}")


def _call(found: Any) -> str:
    if isinstance(found, type) and (
        issubclass(found, enum.Enum) or getattr(found, "_is_protocol", False)
    ):
        return ""
    try:
        signature = inspect.signature(found)
    except ValueError:
        return ""
    parameters = [p.replace(annotation=_shown(p.annotation)) for p in signature.parameters.values()]
    told = signature.return_annotation
    return str(signature.replace(parameters=parameters, return_annotation=_shown(told)))


def _shown(annotation: Any) -> Any:
    if annotation is inspect.Signature.empty or annotation is None:
        return annotation
    if isinstance(annotation, ForwardRef):
        return _Shown(annotation.__forward_arg__)
    if isinstance(annotation, type):
        return _Shown(annotation.__qualname__)
    return _Shown(annotation)


def _hash_of(docstring: str | None) -> str:
    """Python 3.13 takes the indentation away that older ones leave."""
    return digest(inspect.cleandoc(docstring)) if docstring else ""


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
