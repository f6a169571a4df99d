"""The payment provider, with every request counted, timed and told to those who follow."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Any, Final
from urllib.parse import urlsplit

from ..ports import Clock, Event, PaymentProvider, Reply, Request, RequestDetails
from .observing import Observers
from .running import CURRENT

_WORDS: Final = frozenset(
    "v1 account accounts balance balance_transactions charges checkout sessions confirm customers "
    "disputes events expire finalize invoice_payments invoiceitems invoices line_items lines "
    "payment_intents payment_methods pay prices products refunds cancel setup_intents "
    "subscription_items subscriptions void webhook_endpoints".split()
)
"""What may stand in a path beside ids. Whatever else does is taken for an id."""


_NUMBERS: Final = count(1)


class ObservedProvider:
    """Implements `ports.PaymentProvider` over another."""

    def __init__(self, provider: PaymentProvider, observers: Observers, clock: Clock) -> None:
        self._provider = provider
        self._observers = observers
        self._clock = clock
        self._host = urlsplit(provider.api_base).hostname or ""

    @property
    def api_base(self) -> str:
        return self._provider.api_base

    @property
    def api_version(self) -> str:
        return self._provider.api_version

    @property
    def longest_send(self) -> float:
        return self._provider.longest_send

    def send(self, request: Request) -> Reply:
        sending = _Sending(next(_NUMBERS), self._host, request)
        follow = sending.follow or self._observers.following().tell
        follow("request.began", lambda: sending.event("request.began"))
        began = self._clock.elapsed()
        try:
            sending.reply = self._provider.send(request)
            return sending.reply
        finally:
            sending.duration = self._clock.elapsed() - began
            follow("request.ended", lambda: sending.event("request.ended"))


def template(path: str) -> str:
    """Return a path with `{id}` for every id: few of them, and nobody's."""
    parts = path.partition("?")[0].split("/")
    return "/".join(part if part in _WORDS or not part else "{id}" for part in parts)


class _Sending:
    """One request on its way; described only if somebody wants to know."""

    __slots__ = ("_attempt", "_call", "_host", "_number", "_request", "duration", "follow", "reply")

    def __init__(self, number: int, host: str, request: Request) -> None:
        self._number, self._host, self._request = number, host, request
        self._call = CURRENT.get()
        self._attempt = 1 if self._call is None else self._call.sends(request)
        self.follow = None if self._call is None else self._call.follow
        self.reply: Reply | None = None
        self.duration = 0.0

    def event(self, name: str) -> Event:
        details = self._details()
        if self._call is None:
            return Event(name, "info", details.template, request=details)
        return replace(self._call.event(name), request=details)

    def _details(self) -> RequestDetails:
        request = self._request
        return RequestDetails(
            self._number,
            request.method,
            template(request.path),
            self._host,
            request.step,
            self._attempt,
            duration=self.duration,
            **_answer(self.reply),
        )


def _answer(reply: Reply | None) -> dict[str, Any]:
    if reply is None:
        return {}
    return {
        "kind": reply.kind,
        "status": reply.status,
        "request_id": reply.request_id,
        "replayed": reply.replayed,
    }
