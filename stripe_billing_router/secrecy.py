"""What holds credentials does not leave the process: neither an object, nor the frames of an error.

Error reporters keep the locals of every frame that an exception went through, and look into the
objects there. What this library raises leaves its frames empty: file and line are all they show.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import logging
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import FunctionType
from typing import Any, NoReturn, ParamSpec, SupportsIndex, TypeVar, cast

P = ParamSpec("P")
T = TypeVar("T")
C = TypeVar("C", bound=type[Any])


class Unpicklable:
    """Mixin: refuses to be pickled or copied by way of pickle, since that writes out secrets."""

    __slots__ = ()

    def __reduce_ex__(self, protocol: SupportsIndex, /) -> NoReturn:
        raise TypeError(f"{type(self).__name__} holds credentials and cannot be pickled or copied")


class Secret(Unpicklable, str):
    """A key as text. Its `repr` does not show it, and what holds it has no `asdict`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'[secret]'"


def discreet(function: Callable[P, T]) -> Callable[P, T]:
    """Have what a function raises, or what it returns raises as an iterator, leave no locals."""
    yields = inspect.isgeneratorfunction(function)

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        before = sys.exception()
        try:
            found = function(*args, **kwargs)
        except BaseException as error:
            forget(error, before)
            del args, kwargs, before  # this frame stays
            raise
        return cast("T", _Discreet(cast("Iterator[Any]", found))) if yields else found

    return call


def discreet_methods(cls: C) -> C:
    """Make the public methods and properties of a class, and its making, `discreet`."""
    for name, found in vars(cls).copy().items():
        if name.startswith("_") and name != "__init__":
            continue
        if isinstance(found, FunctionType):
            setattr(cls, name, discreet(found))
        elif isinstance(found, property) and found.fget is not None:
            setattr(cls, name, property(discreet(found.fget)))
    return cls


def forget(error: BaseException, before: BaseException | None = None) -> None:
    """Empty the frames that `error`, its causes and contexts went through, and have ended.

    What was raised `from None` loses its context for good: it may hold a request, or a file.
    `before`, with its own context, is left alone: it is what the caller was handling.
    """
    seen: set[int] = {id(before)}
    left: list[BaseException | None] = [error]
    while left:
        current = left.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        traceback.clear_frames(current.__traceback__)
        if current.__suppress_context__ and current.__context__ is not before:
            current.__context__ = None
        left += [current.__cause__, current.__context__, *getattr(current, "exceptions", ())]


def loggable(error: BaseException, before: BaseException | None) -> BaseException:
    """Forget as above, and return the error without the frame that is about to log it."""
    forget(error, before)
    trace = error.__traceback__
    return error.with_traceback(None if trace is None else trace.tb_next)


def hidden(value: T) -> Callable[[], T]:
    """Return what gives `value`, for a frame that has to stay: no reporter looks inside."""
    return itertools.repeat(value).__next__


class _Discreet(Iterator[Any]):
    __slots__ = ("_inner",)

    def __init__(self, inner: Iterator[Any]) -> None:
        self._inner: Iterator[Any] | None = inner

    def __next__(self) -> Any:
        before = sys.exception()
        try:
            if self._inner is not None:
                return next(self._inner)
        except StopIteration:
            self._inner = None
        except BaseException as error:
            self._inner = None
            forget(error, before)
            del before
            raise
        raise StopIteration

    def close(self) -> None:
        self._inner = None


def attempt(log: logging.Logger, failure: str, work: Callable[[], object]) -> bool:
    """Do `work`; return False, and log `failure`, if it fails. A host's code may even exit."""
    before = sys.exception()
    try:
        work()
    except _failures() as error:
        with suppress(Exception):
            log.error(failure, exc_info=loggable(error, before))
        return False
    return True


def _failures() -> tuple[type[BaseException], ...]:
    """A task of the host's own that is cancelled has failed; nothing here is a task."""
    tasks = sys.modules.get("asyncio")  # whoever raises its error has imported it
    cancelled = () if tasks is None else (tasks.CancelledError,)
    return (Exception, SystemExit, *cancelled)
