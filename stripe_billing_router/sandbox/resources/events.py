"""`/v1/events`: what has happened in the last thirty days."""

from __future__ import annotations

import fnmatch

from ..clock import DAY
from ..failures import invalid
from ..family import Call, Family, Route
from ..paging import listing
from ..wire import Json

_KEPT = 30 * DAY
_MOST_TYPES = 20


def events(call: Call) -> Json:
    """List events, by exact `type` (or a prefix and `*`) or by several `types`."""
    types = call.params.get("types", [])
    if types and "type" in call.params:
        raise invalid("You may only specify one of these parameters: type, types.", "types")
    if len(types) > _MOST_TYPES:
        raise invalid(f"You may specify at most {_MOST_TYPES} types.", "types")
    wanted = types or [call.params.get("type", "*")]

    def keep(event: Json) -> bool:
        return _kept(call, event) and any(fnmatch.fnmatchcase(event["type"], w) for w in wanted)

    return listing(call, "event", keep=keep)


def event(call: Call) -> Json:
    """Return one event."""
    found = call.account.require("event", call.ids["id"])
    if not _kept(call, found):
        raise call.account.missing("event", found["id"])
    return found


def _kept(call: Call, found: Json) -> bool:
    return bool(call.account.now() - found["created"] < _KEPT)


FAMILY = Family(
    routes=(
        Route("GET", "/v1/events", "EventListParams", "list:event", events),
        Route("GET", "/v1/events/{id}", "EventRetrieveParams", "event", event),
    ),
    nouns={"event": "event"},
)
