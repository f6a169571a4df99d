"""The routes of a file: `domain → region → business_category → bot_name → route`."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ..models import Fault, OverrideKey, Route, RouteKey
from ..models.routes import check_route, clean_fields
from ..redaction import shown
from ..routing import dotted, wrong_name, wrong_override_key, wrong_override_value

OVERRIDES: Final = "overrides"
_LEVELS: Final = ("domain", "region", "business category", "bot")
_BELOW: Final = ("domains", "regions", "business categories", "bots")
_Names = tuple[str, ...]


class RouteTree:
    """Collects routes, override rules and every fault of the tree."""

    def __init__(self, data: Mapping[str, Any], sections: tuple[str, ...]) -> None:
        self.routes: dict[RouteKey, Route] = {}
        self.overrides: dict[OverrideKey, Mapping[str, str]] = {}
        self.faults: list[Fault] = []
        self._sections = sections
        self._level({name: data[name] for name in data if name not in sections}, ())

    def _level(self, data: Mapping[str, Any], above: _Names) -> None:
        kind = _LEVELS[len(above)]
        for name, inner in data.items():
            names = (*above, name)
            if wrong := wrong_name(name):
                self._fault(above, f"the {kind} {wrong}")
            if kind == "bot":
                self._route(inner, names)
            elif isinstance(inner, Mapping) and inner:
                self._level(inner, names)
            else:
                self._fault(names, self._no_mapping(inner, names))

    def _no_mapping(self, inner: object, names: _Names) -> str:
        below = _BELOW[len(names)]
        if inner is None or inner == {}:
            return f"is empty; add its {below}, or remove it"
        close = difflib.get_close_matches(names[0], self._sections, 1) if len(names) == 1 else []
        hint = f"; did you mean the section {close[0]}?" if close else ""
        return f"is not a mapping of {below} but {shown(inner)}{hint}"

    def _route(self, data: object, names: _Names) -> None:
        fields, overrides = data, None
        if isinstance(data, Mapping) and OVERRIDES in data:
            fields = {name: value for name, value in data.items() if name != OVERRIDES}
            overrides = data[OVERRIDES]
        if faults := check_route(fields):
            self._take(faults, names)
        elif isinstance(fields, Mapping):
            domain, region, category, bot = names
            self.routes[domain, region, category, bot] = Route(**clean_fields(fields))
        if overrides is not None:
            self._overrides(overrides, names)

    def _overrides(self, data: object, names: _Names) -> None:
        for key, values in self._entries(data, (*names, OVERRIDES), "keys"):
            if wrong := wrong_override_key(key):
                self._fault((*names, OVERRIDES), f"the key {wrong}")
            for value, fields in self._entries(values, (*names, OVERRIDES, key), "values"):
                self._override(fields, names, key, value)

    def _override(self, fields: object, names: _Names, key: str, value: str) -> None:
        if wrong := wrong_override_value(value):
            self._fault((*names, OVERRIDES, key), f"the value {wrong}")
        if faults := check_route(fields, partial=True):
            self._take(faults, (*names, OVERRIDES, key, value))
        elif isinstance(fields, Mapping):
            domain, region, category, bot = names
            self.overrides[domain, region, category, bot, key, value] = clean_fields(fields)

    def _entries(self, data: object, path: _Names, what: str) -> Iterator[tuple[str, Any]]:
        if isinstance(data, Mapping) and data:
            yield from data.items()
        else:
            self._fault(path, f"is not a mapping of {what} but {shown(data)}")

    def _take(self, faults: list[Fault], names: _Names) -> None:
        path = dotted(names)
        self.faults += [Fault(path, message) for _, message in faults]

    def _fault(self, names: _Names, message: str) -> None:
        self.faults.append(Fault(dotted(names), message))
