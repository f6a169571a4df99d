"""The section `hooks`: which code of the host takes part, by dotted path."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import PlainValidator

from ..redaction import shown
from .scalars import STRICT, wrong

_NAME: Final = r"[^\W\d]\w*"
_PATH: Final = re.compile(rf"{_NAME}(?:\.{_NAME})*(?::{_NAME}(?:\.{_NAME})*)?")


def _path(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, str) and len(value) <= 255 and _PATH.fullmatch(value):
        return value
    raise wrong(f"is {shown(value)}, not a path such as package.module:attribute")


def _paths(value: object) -> tuple[str, ...]:
    given = value if isinstance(value, list) else [value]
    return tuple(found for found in map(_path, given) if found is not None)


_Path = Annotated[str | None, PlainValidator(_path)]


@dataclass(frozen=True, slots=True)
class Hooks:
    """Dotted paths (`package.module:attribute` or `package.module`) of the host's own code.

    `menace_sanity_layer` has a `record_payment_anomaly`, `rollback_manager` an `auto_rollback`;
    `alert_dispatcher` is called with each alert that is to be sent, every one of `rollback` with a
    bot id and a reason. They are imported when a router is made, not when the file is read.
    """

    __pydantic_config__ = STRICT

    menace_sanity_layer: _Path = None
    alert_dispatcher: _Path = None
    rollback_manager: _Path = None
    rollback: Annotated[tuple[str, ...], PlainValidator(_paths)] = ()
