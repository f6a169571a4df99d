"""What was registered, over what the file says."""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterator, Mapping, ValuesView
from typing import TypeVar

from ..locks import ForkSafeLock
from ..models.bots import BotId
from ..models.routes import OverrideKey, RouteKey

K = TypeVar("K")
V = TypeVar("V")


class Layers(Mapping[K, V]):
    """The file's entries with the registered ones over them. Writers share one lock."""

    def __init__(self, base: Mapping[K, V], lock: ForkSafeLock) -> None:
        self._base = dict(base)
        self._upper: dict[K, V] = {}
        self._lock = lock

    def __getitem__(self, key: K) -> V:
        try:
            return self._upper[key]
        except KeyError:
            return self._base[key]

    def __iter__(self) -> Iterator[K]:
        return iter(self._snapshot())

    def __len__(self) -> int:
        return len(self._snapshot())

    def __repr__(self) -> str:
        return f"<{len(self)} entries>"

    # Views over a snapshot: an entry may be dropped while a caller iterates.
    def items(self) -> ItemsView[K, V]:
        return self._snapshot().items()

    def values(self) -> ValuesView[V]:
        return self._snapshot().values()

    def put(self, key: K, value: V) -> None:
        with self._lock:
            self._upper[key] = value

    def drop(self, condition: Callable[[K], bool]) -> None:
        with self._lock:
            for key in [key for key in self._upper if condition(key)]:
                del self._upper[key]

    def _snapshot(self) -> dict[K, V]:
        with self._lock:
            return {**self._base, **self._upper}


def is_of(bot: BotId, key: RouteKey | OverrideKey) -> bool:
    return key[0] == bot.domain and key[2] == bot.category and key[3] == bot.name
