"""What an error reporter keeps of an exception: the locals of every frame, and what is in them."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType, MethodType, ModuleType
from typing import Any

import stripe_billing_router

_PACKAGE = str(Path(stripe_billing_router.__file__).parent)
_MOST_OBJECTS = 50_000
_DEEPEST = 12
_PLAIN = (type(None), bool, int, float, type, ModuleType)


def kept(error: BaseException, needle: str) -> list[str]:
    """Return where a reporter would find `needle`: in a frame of the library or below it, or in
    what the exception, its causes and its contexts hold."""
    found = []
    for one in _chain(error):
        found += [f"{type(one).__name__} holds {w}{needle}" for w in _places(vars(one), needle)]
        found += [f"{type(one).__name__}.args{w}{needle}" for w in _places(one.args, needle)]
        for frame in _frames(one):
            where = f"{frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_name}"
            for name, value in frame.f_locals.items():
                found += [f"{where} {name}{w} {needle}" for w in _places(value, needle)]
    return found


def _chain(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    left: list[BaseException | None] = [error]
    while left:
        current = left.pop()
        if current is not None and current not in found:
            found.append(current)
            left += [current.__cause__, current.__context__]
            left += getattr(current, "exceptions", ())
    return found


def _frames(error: BaseException) -> Iterator[FrameType]:
    """Yield the frames from the first of the library on: what is above is the caller's own."""
    trace, inside = error.__traceback__, False
    while trace is not None:
        frame = trace.tb_frame
        inside = inside or frame.f_code.co_filename.startswith(_PACKAGE)
        if inside:
            yield frame
        trace = trace.tb_next


def _places(value: Any, needle: str) -> Iterator[str]:
    seen: set[int] = set()
    left: deque[tuple[Any, str, int]] = deque([(value, "", 0)])
    while left and len(seen) < _MOST_OBJECTS:
        current, where, depth = left.popleft()
        if isinstance(current, str | bytes | bytearray):
            text = current if isinstance(current, str) else bytes(current).decode("latin-1")
            if needle in str.__str__(text):
                yield where
        elif not isinstance(current, _PLAIN) and id(current) not in seen and depth < _DEEPEST:
            seen.add(id(current))
            left.extend((inner, where + name, depth + 1) for name, inner in _inside(current))


def _inside(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, inner in list(value.items()):
            yield "{name}", name
            yield f"[{str(name)[:20]}]", inner
    elif isinstance(value, list | tuple | set | frozenset | deque):
        yield from (("[…]", inner) for inner in list(value))
    if isinstance(value, functools.partial):
        yield from ((".func", value.func), (".args", value.args), (".keywords", value.keywords))
    if isinstance(value, MethodType):
        yield ".__self__", value.__self__
    for cell in getattr(value, "__closure__", None) or ():
        try:
            yield ".__closure__", cell.cell_contents
        except ValueError:
            continue
    yield from ((f".{name}", inner) for name, inner in getattr(value, "__dict__", {}).items())
    for cls in type(value).__mro__:
        slots = cls.__dict__.get("__slots__", ())
        for name in [slots] if isinstance(slots, str) else slots:
            try:
                yield f".{name}", getattr(value, name)
            except Exception:  # noqa: BLE001, S112 - what cannot be read, no reporter reads
                continue
