"""What a verb says of itself: the rest of the house asks here, and knows no verb by name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final, Literal, TypeVar, get_args

from ..errors import ConfigurationError

Moves = Literal["in", "out", "none"]


class _LeftOut:
    """What an argument is that the caller has not given."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<left out>"


LEFT_OUT: Any = _LeftOut()
"""The default of arguments that decide what is paid. None is no way to leave them out: it is what a
missing field reads as, such as `order.get("total")`."""


class Declared:
    """What every verb declares.

    `action_type` is what its ledger entries are called. `moves` says where money goes, seen from
    the account; budgets count what moves, unless the verb `gives_back` a payment. `arguments` are
    those that it takes beside what every verb takes, with their types and defaults: a NamedTuple.
    `makes` are the kinds of the provider's objects that are its own. An event about an entry is
    named by its status, unless `events` has a name of its own for that.
    """

    name: ClassVar[str]
    action_type: ClassVar[str]
    moves: ClassVar[Moves]
    arguments: ClassVar[type[Any]]
    gives_back: ClassVar[bool] = False
    makes: ClassVar[tuple[str, ...]] = ()
    events: ClassVar[Mapping[str, str]] = {}


V = TypeVar("V", bound=Declared)

_NAME = re.compile(r"[a-z][a-z_]{0,31}", re.ASCII)
_NO_VERBS: Final = frozenset({"anomaly", "mismatch"})
"""Action types of entries that no verb makes."""


class Verbs(dict[str, V]):
    """The verbs of a router by their names. One that does not say what it moves is none.

    `events` are the names of their own that they have for events, by action type and status.
    """

    def __init__(self, verbs: Iterable[V] = ()) -> None:
        super().__init__()
        self.events: dict[tuple[str, str | None], str] = {}
        for verb in verbs:
            why = self._wrong(verb)
            if why is not None:
                named = getattr(verb, "name", None) or type(verb).__name__
                raise ConfigurationError(f"The verb {named} cannot be registered: {why}.")
            self[verb.name] = verb
            for status, event in verb.events.items():
                self.events[verb.action_type, status] = event

    def __missing__(self, name: str) -> V:
        raise ConfigurationError(
            f"Nothing that is installed has the verb {name}. Install the domain that has it, and "
            "repeat this."
        )

    def moving(self, *moves: Moves) -> frozenset[str]:
        """Return the action types of the verbs that move money so."""
        return frozenset(verb.action_type for verb in self.values() if verb.moves in moves)

    def making(self, kind: object) -> V | None:
        """Return the verb whose own objects are of this kind, if there is one."""
        return next((verb for verb in self.values() if kind in verb.makes), None)

    def _wrong(self, verb: V) -> str | None:
        found = {name: getattr(verb, name, None) for name in ("name", "action_type", "arguments")}
        missing = [name for name, value in found.items() if value is None]
        if getattr(verb, "moves", None) not in get_args(Moves):
            return "it does not say whether it moves money: declare moves as in, out or none"
        if missing:
            return f"it declares no {missing[0]}"
        if not (_NAME.fullmatch(verb.name) and _NAME.fullmatch(verb.action_type)):
            return "name and action_type are up to 32 lower-case letters and underscores"
        if verb.name in self or verb.action_type in _NO_VERBS:
            return "its name or action_type is taken"
        if verb.gives_back and verb.moves != "out":
            return "what gives_back moves money out"
        others = (other for other in self.values() if other.action_type == verb.action_type)
        if any(other.moves != verb.moves for other in others):
            return f"another verb's entries of {verb.action_type} move money otherwise"
        return None
