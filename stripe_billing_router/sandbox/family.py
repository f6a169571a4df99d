"""How a family of resources describes itself: its kinds of object, its URLs, what it reacts to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field

from ..frozen import frozen
from .state import AccountState
from .wire import Json

Handler = Callable[["Call"], Json]
Reaction = Callable[[AccountState, Json], None]


@frozen
class Call:
    """One request, authenticated and checked, as a handler sees it."""

    account: AccountState
    path: str
    params: Json
    ids: Mapping[str, str] = field(default_factory=dict)


@frozen
class Route:
    """One URL. `params`: the SDK's type of its parameters. `returns`: the kind it answers with."""

    method: str
    pattern: str
    params: str
    returns: str
    handler: Handler

    @property
    def resource(self) -> str:
        """The first word of the path, by which restricted keys are refused."""
        return self.pattern.split("/")[2]


@frozen
class Family:
    """Everything that one file of `resources/` adds to the sandbox.

    `expandable`: for each kind, the fields that hold an id of another kind (several kinds are
    joined by `|`). `included`: fields that an object only has when they are asked for.
    `reactions`: called with the object whenever an event of that type happens.
    """

    routes: tuple[Route, ...]
    nouns: Mapping[str, str] = field(default_factory=dict)
    expandable: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    included: Mapping[str, Mapping[str, Callable[[AccountState, Json], Json]]] = field(
        default_factory=dict
    )
    reactions: Mapping[str, Reaction] = field(default_factory=dict)
