"""What a check is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...frozen import frozen
from ..cases import Problem, View

Look = Callable[[Any, View], Problem | None]
"""A pure function of a case and what is known beside it; None if all is well."""


@frozen
class Check:
    """One check. `severity` is the default (1.0 to 5.0); `about` the type of case it looks at;
    `alert` the name under which people are alerted."""

    id: str
    severity: float
    about: type
    look: Look
    alert: str = ""
    also_about: tuple[type, ...] = ()

    @property
    def alert_name(self) -> str:
        return self.alert or f"stripe_{self.id}"
