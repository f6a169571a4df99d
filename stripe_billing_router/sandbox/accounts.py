"""All accounts of a world, made when they are first heard of."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping

from .clock import VirtualClock
from .identifiers import Identifiers
from .state import AccountState
from .wire import Json

Reactions = Mapping[str, list[Callable[[AccountState, Json], None]]]


class Accounts:
    """The accounts by id. `lock` guards everything they hold; `own` is the world's own."""

    def __init__(
        self,
        own: str,
        clock: VirtualClock,
        seed: int | str,
        api_version: str,
        nouns: Mapping[str, str],
        reactions: Reactions,
        redirect_methods: bool,
    ) -> None:
        self.own = own
        self.lock = threading.RLock()
        self.posted = threading.Event()
        """Set whenever there may be something new to deliver."""
        self._clock = clock
        self._seed = seed
        self._api_version = api_version
        self._nouns = nouns
        self._reactions = reactions
        self._redirect_methods = redirect_methods
        self._states: dict[str, AccountState] = {}

    def now_ms(self) -> int:
        """Return milliseconds since the epoch."""
        return self._clock.now_ms()

    def state(self, account_id: str | None = None) -> AccountState:
        """Return everything that an account holds, brought up to the present."""
        with self.lock:
            name = account_id or self.own
            if name not in self._states:
                self._states[name] = self._new(name)
            self._states[name].tick()
            return self._states[name]

    def _new(self, name: str) -> AccountState:
        return AccountState(
            name,
            self._clock,
            Identifiers(f"{self._seed}/{name}"),
            self._api_version,
            self._nouns,
            self._reactions,
            self._redirect_methods,
            self.posted,
        )

    def states(self) -> Iterator[AccountState]:
        """Yield every account, the world's own first."""
        yield self.state()
        for name in list(self._states):
            if name != self.own:
                yield self.state(name)

    def holder(self, kind: str, object_id: str) -> tuple[AccountState, Json]:
        """Return an object and the account that holds it. KeyError if there is none."""
        for state in self.states():
            found = state.find(kind, object_id)
            if found and not found.get("deleted"):
                return state, found
        raise KeyError(object_id)
