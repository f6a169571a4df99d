"""Ways of breaking the protocol on purpose, and the schedules in which they can show."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from unittest.mock import patch

from tests.simulation.schedule import Happening, Mishap, Schedule

Mutation = Callable[[], AbstractContextManager[object]]


@dataclass(frozen=True, slots=True)
class Broken:
    """A way of breaking the protocol. It shows in schedules with one of these mishaps or
    happenings, if any are named, and `where` that holds: there is no need to play the others."""

    mutation: Mutation
    shows_after: tuple[type[Mishap | Happening], ...] = ()
    where: Callable[[Schedule], bool] = lambda _: True

    def concerns(self, schedule: Schedule) -> bool:
        struck = {type(injection.mishap) for injection in schedule.injections}
        happened = struck | {type(happening) for happening in schedule.happenings}
        shows = not self.shows_after or bool(happened & set(self.shows_after))
        return shows and self.where(schedule)


def replaced(target: object, name: str, value: object) -> Mutation:
    return lambda: patch.object(target, name, value)


@contextmanager
def together(*mutations: Mutation) -> Iterator[None]:
    with ExitStack() as stack:
        for mutation in mutations:
            stack.enter_context(mutation())
        yield


def nothing(*_: object, **__: object) -> None:
    """Leave something out."""


def always(value: object) -> Callable[..., object]:
    return lambda *_, **__: value
