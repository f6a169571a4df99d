"""Everything that one Stripe account holds."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .changes import previous_attributes
from .clock import VirtualClock
from .failures import StripeFailure, no_such
from .idempotency import IdempotencyKeys
from .identifiers import Identifiers
from .mailboxes import Mailbox
from .rules.outcomes import PaymentOutcome
from .wire import Json, copied


class AccountState:
    """The objects of one account, by kind, in the order in which they were made.

    Not thread-safe by itself: the world's lock guards it.
    """

    def __init__(
        self,
        account_id: str,
        clock: VirtualClock,
        ids: Identifiers,
        api_version: str,
        nouns: Mapping[str, str],
        reactions: Mapping[str, list[Callable[[AccountState, Json], None]]],
        redirect_methods: bool,
        posted: threading.Event,
    ) -> None:
        self.id = account_id
        self.clock = clock
        self.ids = ids
        self.api_version = api_version
        self.idempotency = IdempotencyKeys()
        self.outcomes: dict[str, PaymentOutcome] = {}
        self.used_up: set[str] = set()
        self.invoice_payment_of: dict[str, str] = {}
        """Payment intent to invoice payment, by id."""
        self.notes: dict[str, Json] = {}
        """What the sandbox remembers of an object and Stripe does not show, by id."""
        self.mailboxes: dict[str, Mailbox] = {}
        """What webhook endpoints have yet to get, by the endpoint's id."""
        self.request: Json = {"id": None, "idempotency_key": None}
        self.redirect_methods = redirect_methods
        self._posted = posted
        self._ticked = 0
        self._nouns = nouns
        self._reactions = reactions
        self._objects: dict[str, dict[str, Json]] = {}

    def now(self) -> int:
        """Return seconds since the epoch."""
        return self.clock.now()

    def add(self, obj: Json) -> Json:
        """Store a new object under its kind and id, and return it."""
        self._objects.setdefault(obj["object"], {})[obj["id"]] = obj
        return obj

    def remove(self, obj: Json) -> None:
        """Forget an object."""
        self._objects[obj["object"]].pop(obj["id"], None)

    def replace(self, obj: Json) -> Json:
        """Put an object (such as a tombstone) in the place of the one with its kind and id."""
        return self.add(obj)

    def find(self, kind: str, object_id: str) -> Json | None:
        """Return an object, or None. A deleted one is a tombstone with `deleted` set."""
        return self._objects.get(kind, {}).get(object_id)

    def with_id(self, object_id: str) -> Iterator[Json]:
        """Yield the object of whatever kind that has this id."""
        return (objects[object_id] for objects in self._objects.values() if object_id in objects)

    def require(self, kind: str, object_id: str, param: str | None = None) -> Json:
        """Return an object; StripeFailure if there is none: 404, or 400 if `param` named it."""
        obj = self.find(kind, object_id)
        if obj is None or (param and obj.get("deleted")):
            raise self.missing(kind, object_id, param)
        return obj

    def missing(self, kind: str, object_id: str, param: str | None = None) -> StripeFailure:
        """Return the refusal of an id: 404, or 400 if `param` named it."""
        return no_such(self._nouns.get(kind, kind), object_id, param)

    def all(self, kind: str) -> Iterator[Json]:
        """Yield the objects of a kind, the newest first, without the deleted ones."""
        found = reversed(list(self._objects.get(kind, {}).values()))
        return (obj for obj in found if not obj.get("deleted"))

    def tick(self) -> None:
        """Do what time alone does, if any went by: expire and collect what has become due."""
        if self._ticked == self.now():
            return
        self._ticked = self.now()
        for react in self._reactions.get("tick", ()):
            react(self, {})

    def emit(self, type_: str, obj: Json, previous: Json | None = None) -> None:
        """Record an event about `obj`, and let the families react that wait for it."""
        data: dict[str, Any] = {"object": copied(obj)}
        if previous is not None:
            data["previous_attributes"] = copied(previous)
        event = {
            "id": self.ids.new("evt_"),
            "object": "event",
            "api_version": self.api_version,
            "created": self.now(),
            "data": data,
            "livemode": True,
            "pending_webhooks": 0,
            "request": dict(self.request),
            "type": type_,
        }
        self._post(self.add(event))
        for react in self._reactions.get(type_, ()):
            react(self, obj)

    def changed(self, type_: str, obj: Json, before: Json) -> None:
        """Record that `obj` is no longer as the copy `before`, if it is not."""
        previous = previous_attributes(before, obj)
        if previous:
            self.emit(type_, obj, previous)

    def _post(self, event: Json) -> None:
        """Queue an event for the endpoints that asked for its type."""
        for endpoint in self.all("webhook_endpoint"):
            asked = {"*", event["type"]} & set(endpoint["enabled_events"])
            if asked and endpoint["status"] == "enabled":
                self.mailboxes[endpoint["id"]].post(event["id"], self.clock.now_ms())
                event["pending_webhooks"] += 1
                self._posted.set()
