"""Telling observers. They can fail; they cannot break."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from ..attempts import attempt
from ..ports import Event, Observer
from .running import CURRENT

_log = logging.getLogger(__name__)


class Observers:
    """Every registered observer, told in turn."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = tuple(observers)
        self._followers = tuple(one for one in self._observers if _may_follow(one))

    def tell(self, event: Event) -> None:
        """Tell everybody of something that happened."""
        call = CURRENT.get()
        _tell(self._observers, event.name, lambda: event if call is None else call.heard(event))

    def following(self) -> Following:
        """Return who follows calls now."""
        return Following([(one, _wanted(one)) for one in self._followers])


class Following:
    """Those who follow calls and what each wants, asked once for each call."""

    __slots__ = ("_wants",)

    def __init__(self, wants: Sequence[tuple[Observer, frozenset[str]]]) -> None:
        self._wants = wants

    def tell(self, name: str, event: Callable[[], Event]) -> None:
        """Tell those who want this point of a call; it is described only if somebody does."""
        observers = [one for one, names in self._wants if name in names]
        if observers:
            _tell(observers, name, event)


def _tell(observers: Iterable[Observer], name: str, event: Callable[[], Event]) -> None:
    """Describe an event and tell it; money may have moved by now, so neither may break a call."""
    attempt(_log, f"{name} could not be described", lambda: _hand_out(observers, event()))


def _hand_out(observers: Iterable[Observer], event: Event) -> None:
    for observer in observers:
        failure = f"an observer failed: {type(observer).__name__}"
        attempt(_log, failure, partial(observer.notify, event))


def _may_follow(observer: Observer) -> bool:
    """Say whether it is worth asking: most have no `follows`, and never will."""
    try:
        return hasattr(observer, "follows")
    except Exception:  # noqa: BLE001 - a host's code may raise anything
        return True


def _wanted(observer: Observer) -> frozenset[str]:
    try:
        return frozenset(observer.follows)  # type: ignore[attr-defined]
    except Exception:  # noqa: BLE001 - a host's code may raise anything
        return frozenset()
