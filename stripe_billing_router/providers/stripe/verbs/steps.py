"""Is a step its verb's own? Looked at before every send, whoever wrote the step down."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from ....models import Operation, Step
from .arguments import FORBIDDEN_ANYWHERE
from .base import Verb

_FORBIDDEN = FORBIDDEN_ANYWHERE - {"expand"}
"""What names a key or another account; `expand` is the router's own in a step."""

_ID = "[A-Za-z0-9_]+"


class ForeignStep(Exception):
    """A step that its verb would never plan; `args[0]` says what is wrong with it."""


def check_step(
    verb: Verb, operation: Operation, step: Step, path: str, params: Mapping[str, Any]
) -> None:
    """Raise ForeignStep unless method and path belong to the verb, nothing names a key or another
    account, and amount, currency and customer are the operation's."""
    if not _allowed(verb.requests).fullmatch(f"{step.method} {path}"):
        raise ForeignStep(f"{verb.name} never sends {step.method.upper()} to such a path")
    _refuse_names(params)
    known = {
        "amount": operation.amount_minor,
        "currency": operation.currency,
        "customer": operation.customer_id,
    }
    for name, value in known.items():
        if name in params and params[name] != value:
            raise ForeignStep(f"its {name} is not the operation's")


@cache
def _allowed(requests: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(_pattern, requests)), re.ASCII)


def _pattern(request: str) -> str:
    return _ID.join(re.escape(part) for part in request.split("{id}"))


def _refuse_names(value: Any) -> None:
    if isinstance(value, Mapping):
        for name, item in value.items():
            if name in _FORBIDDEN:
                raise ForeignStep(f"it sets {name}")
            if name != "metadata":
                _refuse_names(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _refuse_names(item)
