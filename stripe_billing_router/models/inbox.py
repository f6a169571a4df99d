"""What Stripe has told by webhook, and how far it has been acted on."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from ..frozen import frozen


class InboxState(StrEnum):
    """Where an event stands. `str` values are what the database holds."""

    RECEIVED = "received"
    WAITING = "waiting"
    FAILED = "failed"
    PROCESSED = "processed"
    SUPERSEDED = "superseded"
    DEAD = "dead"


DONE = frozenset({InboxState.PROCESSED, InboxState.SUPERSEDED})
"""Nothing is left to do; a redelivery is only acknowledged."""

GIVEN_UP = frozenset({InboxState.FAILED, InboxState.DEAD})
"""A redelivery makes it work to do, at once and with all its attempts."""


@frozen
class InboxEvent:
    """A row of `stripe_inbox`. `body` is the event's JSON less its secrets.

    `applied` is the state in which the event will end, once its own change is committed; only
    what the host registered for it is left to do then. `due_ms` is when it is to be worked on, or
    when its lease ends; None when nothing is left to do. Times are milliseconds since the epoch.
    `seal` is the receiver's, if it holds.
    """

    event_id: str
    type: str
    created_ms: int
    api_version: str | None
    object_id: str | None
    operation_id: str | None
    body: Mapping[str, Any]
    state: InboxState = InboxState.RECEIVED
    applied: InboxState | None = None
    attempts: int = 0
    error: str | None = None
    received_ms: int = 0
    updated_ms: int = 0
    due_ms: int | None = None
    lease_token: str | None = None
    seal: str | None = None

    @property
    def object(self) -> Mapping[str, Any]:
        """The object that the event is about, as it was at that moment."""
        found: Mapping[str, Any] = self.body["data"]["object"]
        return found


@frozen
class MarkProcessed:
    """Say how far a leased event has come; fails unless the row holds `lease_token`.

    `state` of None keeps state and lease: what the host registered for it comes next. With
    `again_in_ms` it is worked on again after so many milliseconds. `applied` is set for good. What
    was not `attempted`, only taken, keeps its attempts.
    """

    event_id: str
    lease_token: str
    state: InboxState | None
    applied: InboxState | None = None
    operation_id: str | None = None
    again_in_ms: int | None = None
    error: str | None = None
    attempted: bool = True


@frozen
class NoteFact:
    """Remember `fact` of a Stripe object; fails unless exactly the facts `seen` are known of it."""

    object_id: str
    fact: str
    seen: frozenset[str]
