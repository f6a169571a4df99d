"""Undoing what a bot could have changed in this process, after a failed check."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Protocol

from ...frozen import frozen
from ...models import BotId
from ...secrecy import attempt

_log = logging.getLogger(__name__)

RollbackHook = Callable[[str, str], object]


class _Table(Protocol):
    def forget_registered(self, bot: BotId) -> None: ...


@frozen
class Rollback:
    """What a rollback did: names of the steps that were done, and of those that failed."""

    bot_id: str
    done: tuple[str, ...]
    failed: tuple[str, ...]


class AutomatedRollbackManager:
    """Takes a bot back to what the routing file says, and has the host do its own part.

    `hooks` are called with bot id and reason. `freeze`, if given, stops the bot everywhere.
    """

    def __init__(
        self,
        table: _Table,
        hooks: Sequence[RollbackHook] = (),
        freeze: Callable[[BotId, str], object] | None = None,
    ) -> None:
        self._table = table
        self._hooks = tuple(hooks)
        self._freeze = freeze

    def auto_rollback(self, bot_id: BotId | str, *, reason: str = "a failed check") -> Rollback:
        """Drop the bot's routes and overrides that were registered at run time, freeze it if that
        is on, and call the host's hooks. What fails is logged and keeps nothing else from running.

        InvalidRequestError if `bot_id` is none.
        """
        bot = bot_id if isinstance(bot_id, BotId) else BotId.parse(bot_id)
        outcomes: dict[bool, list[str]] = {True: [], False: []}

        def take(name: str, step: Callable[[], object]) -> None:
            done = attempt(_log, f"a step of the rollback failed: {name}", step)
            outcomes[done].append(name)

        with ExitStack() as stack:  # all of them, also where one is interrupted
            for name, step in reversed(self._steps(bot, reason)):
                stack.callback(take, name, step)
        return Rollback(str(bot), tuple(outcomes[True]), tuple(outcomes[False]))

    def _steps(self, bot: BotId, reason: str) -> list[tuple[str, Callable[[], object]]]:
        # The host's hooks come last: one that hangs must not keep the bot from being stopped.
        freeze = self._freeze
        steps: list[tuple[str, Callable[[], object]]] = [
            ("routes", lambda: self._table.forget_registered(bot))
        ]
        if freeze is not None:
            steps.append(("freeze", lambda: freeze(bot, reason)))
        for hook in self._hooks:
            steps.append((_name(hook), lambda hook=hook: hook(str(bot), reason)))  # type: ignore[misc]
        return steps


def _name(hook: RollbackHook) -> str:
    return f"hook {getattr(hook, '__qualname__', type(hook).__qualname__)}"
