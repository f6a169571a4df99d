"""What a host registers for events of its interest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ..errors import InvalidRequestError
from ..frozen import frozen
from ..locks import ForkSafeLock
from ..models import InboxEvent, InboxState
from ..redaction import shown

EVERYTHING = "*"


@frozen
class WebhookEvent:
    """An event as a host's handler gets it.

    `object` is Stripe's object as it was at that moment, less its secrets; `body` the whole event.
    `superseded`: something newer about the object had been applied before. `operation_id` names
    the bot's call that it is about, where there is one.
    """

    id: str
    type: str
    created_ms: int
    object: Mapping[str, Any]
    body: Mapping[str, Any]
    superseded: bool
    operation_id: str | None


Handler = Callable[[WebhookEvent], object]
H = TypeVar("H", bound=Handler)


class Handlers:
    """Handlers by event type, in the order in which they were registered."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Handler, ...]] = {}
        self._lock = ForkSafeLock()

    def on(self, *event_types: str) -> Callable[[H], H]:
        """Return a decorator that registers a function for these types, `"*"` for all.

        A handler runs after the router's own change is committed, at least once for each event: it
        has to bear being called again. What it raises makes the event be tried again.
        """
        if not event_types or callable(event_types[0]):
            raise InvalidRequestError(
                f"{shown(event_types)} are no event types; pass some such as 'invoice.paid'.",
                parameter="event_types",
            )

        def register(handler: H) -> H:
            with self._lock:
                for name in event_types:
                    self._known[name] = (*self._known.get(name, ()), handler)
            return handler

        return register

    def of(self, event_type: str) -> tuple[Handler, ...]:
        """Return what is registered for a type of event."""
        return (*self._known.get(event_type, ()), *self._known.get(EVERYTHING, ()))


SHARED = Handlers()
"""Handlers of the whole process, whichever router receives the event."""


def told_to_host(event: InboxEvent, state: InboxState) -> WebhookEvent:
    """Return an event as a handler gets it; `state` is the one in which it will end."""
    return WebhookEvent(
        event.event_id,
        event.type,
        event.created_ms,
        event.object,
        event.body,
        state is InboxState.SUPERSEDED,
        event.operation_id,
    )
