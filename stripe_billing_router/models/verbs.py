"""What a verb says of itself, and what a provider makes of it: the rest of the house asks here, and
knows no verb by name."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final, Literal, TypeVar, get_args

from ..errors import ConfigurationError
from ..frozen import frozen
from .bots import BotId
from .operations import Operation, Outcome, Step
from .results import Result
from .routes import ResolvedRoute

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


@frozen
class Call:
    """What a caller asked, checked and in plain JSON types; amounts are still in major units."""

    bot: BotId
    verb: str
    arguments: Mapping[str, Any]
    params: Mapping[str, Any]
    metadata: Mapping[str, str]
    overrides: Mapping[str, str]

    def asked(self) -> dict[str, Any]:
        """Return everything that makes two calls the same call."""
        return {
            "arguments": dict(self.arguments),
            "params": dict(self.params),
            "metadata": dict(self.metadata),
            "overrides": dict(self.overrides),
        }


@frozen
class Plan:
    """The frozen steps of an operation. A step that creates something has `metadata`.

    `amount_minor` is what is going to be collected, None where that cannot be known. `due` is the
    same together with what is owed from before, where that is collected too and known by now.
    """

    steps: tuple[Step, ...]
    amount_minor: int | None
    currency: str | None
    customer_id: str | None
    user_email: str | None = None
    due: int | None = None


class Verb(Declared, ABC):
    """A verb as one provider does it: it checks arguments, plans steps and reads what came back.

    It does no I/O; `lookups` are the provider's own. `requests` are all that it ever sends: `{id}`
    stands for any id.
    """

    requests: ClassVar[tuple[str, ...]]

    @abstractmethod
    def check(
        self, arguments: Mapping[str, Any], params: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return arguments and `**params` in plain types, or raise InvalidRequestError."""

    @abstractmethod
    def plan(self, call: Call, route: ResolvedRoute, lookups: Any) -> Plan: ...

    @abstractmethod
    def proceed(self, operation: Operation) -> Step | Outcome:
        """Return the next request to send, or what the operation has come to."""

    def wind_up(self, operation: Operation) -> Step | Outcome:
        """As `proceed`, but for an operation that is too old to be completed: nothing is collected
        any more, what is half-made is taken down, and what has happened is recorded."""
        return self.proceed(operation)

    @abstractmethod
    def refresh(self, operation: Operation) -> Step:
        """Return the request that reads the present state of an operation that waits."""

    def revisit(self, operation: Operation) -> Step | Outcome:
        """As `proceed`, for an operation that waited: its first output is what is shown now."""
        return self.proceed(operation)

    def cancel(self, operation: Operation) -> Step | None:  # noqa: ARG002 - what never waits
        """Return the request that ends an operation that waits; None if none can."""
        return None

    def confirmed(self, operation: Operation, said: Mapping[str, str]) -> Outcome | None:  # noqa: ARG002
        """Return what an operation that waits has come to, since a person says so; None where that
        is for the provider to say. `said` is who said it, and what they know it from."""
        return None

    def returns(self, operation: Operation) -> bool:  # noqa: ARG002 - of most verbs it is
        """Say whether a waiting operation is this caller's result, rather than an error."""
        return True

    @abstractmethod
    def result_type(self) -> type[Result]: ...

    def email_in(self, shown: Mapping[str, Any]) -> str | None:  # noqa: ARG002 - most show none
        """Return the e-mail address that an object of the provider's names as its payer's."""
        return None


class ForeignStep(Exception):
    """A step that its verb would never plan; `args[0]` says what is wrong with it."""


class UnreadableAnswer(Exception):
    """An answer lacks what it always has: it does not tell whether money moved."""


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
