"""Webhooks over HTTP, as Stripe sends them, to endpoints on this host only."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from urllib.parse import urlsplit

from .posting import Delivery
from .world import World

_LOOPBACK = "127.0.0.1"
_TIMEOUT = 20.0
_NO_ANSWER = 599
_LOOK_EVERY = 1.0


class WebhookSender:
    """Sends what is due to every endpoint whose URL is on 127.0.0.1; others wait to be pulled.

    A redirect, a refused connection and 20 seconds without an answer are failures, and tried
    again as the world's clock goes on.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._stopped = Event()

    def run(self) -> None:
        """Send until `stop` is called."""
        while not self._stopped.is_set():
            self._world.posted.clear()
            self.send_due()
            self._world.posted.wait(_LOOK_EVERY)

    def send_due(self) -> int:
        """Send what is due now; return how many deliveries were tried."""
        count = 0
        for endpoint in self._world.objects("webhook_endpoint"):
            with suppress(KeyError):  # it was deleted meanwhile
                count += self._send_to(endpoint["id"], endpoint["url"])
        return count

    def stop(self) -> None:
        """Let `run` come back."""
        self._stopped.set()
        self._world.posted.set()

    def _send_to(self, endpoint: str, url: str) -> int:
        if urlsplit(url).hostname != _LOOPBACK:
            return 0
        count = 0
        while not self._stopped.is_set() and (due := self._world.take_delivery(endpoint)):
            attempt, delivery = due
            self._world.report_delivery(endpoint, attempt, _post(url, delivery))
            count += 1
        return count


@contextmanager
def sending(world: World) -> Iterator[WebhookSender]:
    """Send webhooks in the background while the context lasts."""
    sender = WebhookSender(world)
    thread = Thread(target=sender.run, daemon=True, name="stripe-sandbox-webhooks")
    thread.start()
    try:
        yield sender
    finally:
        sender.stop()
        thread.join()


def _post(url: str, delivery: Delivery) -> int:
    """Return the status of the answer, 599 if none came."""
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection = http.client.HTTPConnection(_LOOPBACK, parts.port or 80, timeout=_TIMEOUT)
    try:
        connection.request("POST", target, delivery.payload, delivery.headers)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return _NO_ANSWER
    finally:
        connection.close()
