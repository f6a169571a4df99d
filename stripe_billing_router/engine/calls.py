"""Runs verbs, and tells those who follow calls of their beginning and end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Final, TypeVar

from ..errors import InvalidRequestError
from ..models import BotId, Result
from ..ports import Clock
from .observing import Observers
from .running import CURRENT, Call

T = TypeVar("T")

_NUMBERS: Final = count(1)
"""One for all routers of a process, which may share an observer."""


class Calls:
    """Every call of a verb goes through here. `sandbox`: it is not Stripe itself that answers."""

    def __init__(self, observers: Observers, clock: Clock, *, sandbox: bool) -> None:
        self._observers = observers
        self._clock = clock
        self._sandbox = sandbox

    def run(self, verb: str, bot_id: object, work: Callable[[], T]) -> T:
        """Return what `work` returns; whatever it raises, the call has ended."""
        call = Call(next(_NUMBERS), verb, _bot(bot_id), self._observers.following().tell)
        began = self._clock.elapsed()
        token = CURRENT.set(call)
        try:
            call.follow("call.began", lambda: call.event("call.began"))
            result = work()
            call.returned(result)
            return self._marked(result)
        except BaseException as error:
            call.raised(error)
            raise
        finally:
            CURRENT.reset(token)
            call.facts["duration"] = self._clock.elapsed() - began
            call.follow("call.ended", lambda: call.event("call.ended"))

    def _marked(self, result: T) -> T:
        if self._sandbox and isinstance(result, Result):
            return replace(result, sandbox=True)
        return result


def _bot(bot_id: object) -> BotId | None:
    try:
        return BotId.parse(bot_id)
    except InvalidRequestError:
        return None
