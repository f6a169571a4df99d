"""Whose words an event of the inbox is: its receiver's, or Stripe's, or nobody's that counts."""

from __future__ import annotations

from dataclasses import replace

from ..bootstrap import Assembly
from ..errors import WebhookError
from ..models import InboxEvent
from .reading import EVENT_ID, event_of

_UNKNOWN = "it bears no seal of a key in force, and Stripe shows no such event"


class NotFromStripe(Exception):
    """No holder of a key received the event, and Stripe does not show it; `args[0]` says so."""


class Provenance:
    """Rows of the inbox are input: what bears no seal is read from Stripe before it is used."""

    def __init__(self, parts: Assembly) -> None:
        self._parts = parts

    def proven(self, event: InboxEvent) -> InboxEvent:
        """Return an event with everything that its proven body says; NotFromStripe if none is."""
        if self._parts.store.inbox.is_sealed(event):
            return _as_told(event, event.body)
        if not EVENT_ID.fullmatch(event.event_id):
            raise NotFromStripe(_UNKNOWN)
        parts = self._parts
        keys = parts.keys.keys()
        parts.engine.accounts.check(None, keys)
        body = parts.books.one("events", event.event_id, keys)
        if body is None:
            raise NotFromStripe(_UNKNOWN)
        return _as_told(event, body)


def _as_told(event: InboxEvent, body: object) -> InboxEvent:
    """Return the row with what its columns say of the event taken from the event itself."""
    try:
        told = event_of(body)
    except WebhookError as odd:
        raise NotFromStripe(str(odd)) from None
    if told.event_id != event.event_id:
        raise NotFromStripe("it is another event")
    return replace(
        event,
        type=told.type,
        created_ms=told.created_ms,
        api_version=told.api_version,
        object_id=told.object_id,
        operation_id=told.operation_id,
        body=told.body,
    )
