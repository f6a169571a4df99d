"""Which modules are not for bots, judged by their dotted names alone."""

from __future__ import annotations

import pkgutil
import re
from functools import cache
from typing import Final

from .. import PUBLIC_MODULES, __path__
from .findings import DYNAMIC_IMPORT, INNER_ROOM, OPERATORS, STRIPE_IMPORT

OURS: Final = "stripe_billing_router"
_STRIPES: Final = frozenset({"stripe", "stripe_agent_toolkit", "djstripe"})
_NAME: Final = re.compile(r"\.*[^\W\d]\w*(?:\.[^\W\d]\w*)*")


def rule_of(name: str, *, is_module: bool = False) -> str | None:
    """Return the rule that using a module, or what is in one, violates.

    A relative name begins with dots. `is_module` says that all of the name is a module's.
    """
    parts = name.split(".")
    if parts[0] in _STRIPES:
        return STRIPE_IMPORT
    below = parts[parts.index(OURS) + 1 :] if OURS in parts else []
    if below[-1:] == ["stripe"] and not is_module:
        return STRIPE_IMPORT
    if below[:1] == ["operators"]:
        return OPERATORS
    return INNER_ROOM if below and _is_inner(below, is_module=is_module) else None


def rule_of_text(text: str) -> str | None:
    """Return the rule that an import by name violates."""
    name = text.strip().partition(":")[0]
    rule = rule_of(name) if _NAME.fullmatch(name) else None
    return DYNAMIC_IMPORT if rule == STRIPE_IMPORT else rule


def _is_inner(below: list[str], *, is_module: bool) -> bool:
    if any(part.startswith("_") and not part.endswith("__") for part in below):
        return True
    if below[0] in PUBLIC_MODULES:
        return is_module and len(below) > 1
    return is_module or below[0] in _rooms()


@cache
def _rooms() -> frozenset[str]:
    return frozenset(module.name for module in pkgutil.iter_modules(__path__))
