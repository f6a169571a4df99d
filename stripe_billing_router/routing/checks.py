"""Checking what is registered at run time like what stands in the file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import RouteConfigurationError
from ..models.routes import Fault, check_route
from ..redaction import exact, redact, shown
from .names import dotted, wrong_name, wrong_override_key, wrong_override_value
from .refusals import did_you_mean

_RULE_NEEDS = ("business_category", "bot_name", "key", "value", "route")
_RULE_KEYS = (*_RULE_NEEDS, "domain", "region")


def checked_names(names: tuple[object, ...]) -> tuple[str, list[Fault]]:
    path = dotted(names)
    kinds = ("domain", "region", "business_category", "bot_name")
    found = ((kind, wrong_name(name)) for kind, name in zip(kinds, names, strict=True))
    return path, [Fault(path, f"{kind} {wrong}") for kind, wrong in found if wrong]


def checked_rule(path: str, key: object, value: object) -> list[Fault]:
    found = (("key", wrong_override_key(key)), ("value", wrong_override_value(value)))
    return [Fault(path, f"the override's {part} {wrong}") for part, wrong in found if wrong]


def checked_fields(
    route: object, path: str, *, partial: bool
) -> tuple[Mapping[str, Any], list[Fault]]:
    """Return the fields, copied before they are checked: a mapping may answer differently later."""
    copy = plainly(route) if isinstance(route, Mapping) else route
    faults = check_route(copy, path, partial=partial)
    return (copy if isinstance(copy, dict) else {}), faults


def plainly(given: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return a copy with names and texts as plain `str`."""
    return {exact(name): exact(value) for name, value in given.items()}


def misnamed(rule: Mapping[Any, Any]) -> list[Fault]:
    faults = [Fault("", f"{name} is missing") for name in _RULE_NEEDS if name not in rule]
    for name in rule:
        if name not in _RULE_KEYS:
            hint = did_you_mean(name, _RULE_KEYS) or f"a rule has {', '.join(_RULE_KEYS)}"
            faults.append(Fault("", f"{shown(name)} is not part of an override rule; {hint}"))
    return faults


def refuse_faulty(faults: list[Fault], then: str) -> None:
    if faults:
        safe = tuple(Fault(redact(path), redact(message)) for path, message in faults)
        raise RouteConfigurationError(f"{'; '.join(map(str, safe))}; {then}", faults=safe)
