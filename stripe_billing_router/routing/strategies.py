"""Code of the host that refines a route."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Protocol

from ..models.bots import BotId
from ..models.routes import Fault, Route, clean_fields
from ..redaction import shown
from .checks import checked_fields, refuse_faulty


class RouteStrategy(Protocol):
    """Code of the host that refines a resolved route. Subclass it, or just have the method."""

    @abstractmethod
    def apply(self, bot_id: str, route: Route) -> Route | Mapping[str, str]:
        """Return the whole route to bill with; `bot_id` is canonical. It is checked like a file's.

        It runs inside every call, so it should be quick; it may not set keys. Whatever it raises
        reaches the caller as RouteConfigurationError.
        """
        ...


def refined(strategy: RouteStrategy, bot: BotId, route: Route) -> Route:
    fields, faults = _asked(strategy, bot, route)
    if faults:
        name = f"{type(strategy).__module__}.{type(strategy).__qualname__}"
        refuse_faulty(
            [Fault(f"strategy {name} for {bot}", message) for _, message in faults],
            f"mend {name}.apply(), or do not register it.",
        )
    return Route(**clean_fields(fields))


def _asked(
    strategy: RouteStrategy, bot: BotId, route: Route
) -> tuple[Mapping[str, Any], list[Fault]]:
    try:
        return checked_fields(strategy.apply(str(bot), route), "", partial=False)
    except Exception as error:  # noqa: BLE001 - the host's code may raise anything
        return {}, [Fault("", f"raised {shown(error)}")]
