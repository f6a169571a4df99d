"""`expand[]`: put objects in the place of their ids."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .failures import invalid
from .state import AccountState
from .wire import Json, copied

_DEEPEST = 4

Expandable = Mapping[str, Mapping[str, str]]
Included = Mapping[str, Mapping[str, Callable[[AccountState, Json], Json]]]


class Expander:
    """Knows which fields of which kind can be expanded, and into what."""

    def __init__(self, expandable: Expandable, included: Included) -> None:
        self._expandable = expandable
        self._included = included

    def check(self, kind: str, paths: Any) -> None:
        """StripeFailure (400) for a path that cannot be expanded on an object of a kind."""
        for path in paths:
            steps = path.split(".")
            if len([step for step in steps if step != "data"]) > _DEEPEST:
                raise invalid(f"You cannot expand more than {_DEEPEST} levels.", "expand")
            if not self._possible(kind, steps):
                raise invalid(f"This property cannot be expanded ({path}).", "expand")

    def _possible(self, kind: str, steps: list[str]) -> bool:
        if not steps:
            return True
        if kind.startswith("list:"):
            return steps[0] == "data" and self._possible(kind[5:], steps[1:])
        target = self._expandable.get(kind, {}).get(steps[0])
        return target is not None and any(self._possible(k, steps[1:]) for k in target.split("|"))

    def expand(self, account: AccountState, obj: Json, paths: Any) -> Json:
        """Return `obj`, or a copy of it with every path expanded."""
        expanded: Json = copied(obj) if paths else obj
        for path in paths:
            self._open(account, expanded, path.split("."), "")
        return expanded

    def _open(self, account: AccountState, obj: Any, steps: list[str], kind: str) -> None:
        """`kind` is of use where `obj` is a part of an object and does not name its kind."""
        if not steps or not isinstance(obj, dict):
            return
        kind = obj.get("object", kind)
        if kind == "list":
            for item in obj["data"]:
                self._open(account, item, steps[1:], "")
            return
        name = steps[0]
        target = self._expandable[kind][name]
        self._fill(account, obj, kind, name, target.split("|"))
        self._open(account, obj.get(name), steps[1:], target)

    def _fill(
        self, account: AccountState, obj: Json, kind: str, name: str, targets: list[str]
    ) -> None:
        include = self._included.get(kind, {}).get(name)
        if include:
            obj[name] = copied(include(account, obj))
        elif isinstance(obj.get(name), str):
            found = (account.find(target, obj[name]) for target in targets)
            obj[name] = copied(next((o for o in found if o), obj[name]))
