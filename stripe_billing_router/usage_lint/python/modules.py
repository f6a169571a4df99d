"""Which modules are not to be imported, judged by their dotted names alone."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

from .. import messages
from ..findings import DYNAMIC_IMPORT, OPERATORS_IMPORT, STRIPE_IMPORT

OURS: Final = "stripe_billing_router"
_FOR_PEOPLE: Final = "operators"
_NAME: Final = re.compile(r"\.*[^\W\d]\w*(?:\.[^\W\d]\w*)*")

MESSAGES: Final = {
    STRIPE_IMPORT: messages.STRIPE_IMPORT,
    DYNAMIC_IMPORT: messages.DYNAMIC_IMPORT,
    OPERATORS_IMPORT: messages.OPERATORS_IMPORT,
}


def is_stripe(module: str) -> bool:
    """Return whether a module is Stripe's, or Stripe's as this library's own rooms import it."""
    first, *rest = module.split(".")
    return first == "stripe" or (OURS in (first, *rest) and rest[-1:] == ["stripe"])


def is_for_people(module: str) -> bool:
    """Return whether a module is `operators`, or is in it, wherever the package is kept."""
    parts = module.split(".")
    return any(pair == (OURS, _FOR_PEOPLE) for pair in pairwise(parts))


def rule_of(module: str) -> str | None:
    """Return the rule that an import statement for a module violates."""
    if is_stripe(module):
        return STRIPE_IMPORT
    return OPERATORS_IMPORT if is_for_people(module) else None


def rule_of_text(text: str, package: str = "") -> str | None:
    """Return the rule that an import by name violates; a relative name is one in `package`."""
    name = text.strip().partition(":")[0]
    if not _NAME.fullmatch(name):
        return None
    rule = rule_of(f"{package}.{name.lstrip('.')}" if package and name[0] == "." else name)
    return DYNAMIC_IMPORT if rule == STRIPE_IMPORT else rule
