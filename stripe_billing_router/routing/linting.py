"""Override rules that are valid and cannot be meant: each check is named by its id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..models import DEFAULT_REGION, OverrideKey, Route, RouteKey
from ..models.findings import Finding
from .names import dotted

Overrides = Mapping[OverrideKey, Mapping[str, Any]]
_Regions = Mapping[tuple[str, str, str], list[str]]


def lint_overrides(routes: Mapping[RouteKey, Route], overrides: Overrides) -> list[Finding]:
    """Return the rules that no call can reach, or that change no call."""
    regions = _regions(routes)
    return [finding for key in overrides for finding in _of_rule(key, routes, overrides, regions)]


def changed_routes(
    routes: Mapping[RouteKey, Route], overrides: Overrides
) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield `(path, route)` for every route, plain and as each override rule changes it."""
    regions = _regions(routes)
    for route_key, route in routes.items():
        yield dotted(route_key), route
    for key, fields in overrides.items():
        for route_key in _reached(key, overrides, regions):
            yield path_of(key), {**routes[route_key], **fields}


def path_of(key: OverrideKey) -> str:
    """Return where a rule stands in the routing file."""
    *route_key, name, value = key
    return dotted((*route_key, "overrides", name, value))


def _of_rule(
    key: OverrideKey, routes: Mapping[RouteKey, Route], overrides: Overrides, regions: _Regions
) -> Iterator[Finding]:
    reached = _reached(key, overrides, regions)
    if not _candidates(key, regions):
        message = "has no route to change; add the bot's route in this region, or remove the rule"
        yield Finding("override-without-route", path_of(key), message)
    elif not reached:
        message = "is hidden by a rule of the same name in every region of the bot; remove it"
        yield Finding("override-hidden", path_of(key), message)
    elif all(_same(overrides[key], routes[route_key]) for route_key in reached):
        message = "sets nothing that the route does not say already; change it, or remove it"
        yield Finding("override-changes-nothing", path_of(key), message)


def _same(fields: Mapping[str, Any], route: Mapping[str, str]) -> bool:
    return all(route.get(name) == value for name, value in fields.items())


def _regions(routes: Mapping[RouteKey, Route]) -> _Regions:
    found: dict[tuple[str, str, str], list[str]] = {}
    for domain, region, category, name in routes:
        found.setdefault((domain, category, name), []).append(region)
    return found


def _candidates(key: OverrideKey, regions: _Regions) -> list[str]:
    """The regions of the bot where the rule is looked for: its own, or all for the default's."""
    domain, region, category, name, _, _ = key
    known = regions.get((domain, category, name), [])
    return known if region == DEFAULT_REGION else [other for other in known if other == region]


def _reached(key: OverrideKey, overrides: Overrides, regions: _Regions) -> list[RouteKey]:
    """The routes that the rule changes: a region's own rule goes before the default region's."""
    domain, region, category, name, *rule = key
    return [
        (domain, place, category, name)
        for place in _candidates(key, regions)
        if place == region or (domain, place, category, name, *rule) not in overrides
    ]
