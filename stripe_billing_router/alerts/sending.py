"""Sending alerts in the background: a bounded queue, and one thread in each process."""

from __future__ import annotations

import atexit
import logging
import os
import weakref
from collections.abc import Sequence
from queue import Empty, Full, Queue
from threading import Thread
from typing import Any

from ..locks import ForkSafeLock
from .alert import Alert
from .delivery import deliver_all, services_of

_log = logging.getLogger(__name__)

_LONGEST_QUEUE = 200
_PATIENCE = 5.0


class _Post:
    """The queue and the thread of one process; a forked child needs its own."""

    def __init__(self, services: Sequence[Any], size: int) -> None:
        self.pid = os.getpid()
        self.queue: Queue[Alert | None] = Queue(size)
        self.lost = 0
        self.thread = Thread(
            target=deliver_all, args=(self.queue, services), name="stripe-alerts", daemon=True
        )
        self.thread.start()

    def drain(self, seconds: float) -> bool:
        """Wait until everything is sent; False if that takes longer."""
        done = self.queue.all_tasks_done
        with done:
            return done.wait_for(lambda: not self.queue.unfinished_tasks, seconds)


class AlertSender:
    """Sends alerts to apprise addresses without holding up whoever raises them.

    What does not fit into the queue is counted and logged; alerts.jsonl has it all the same.
    """

    def __init__(self, urls: Sequence[str], longest_queue: int = _LONGEST_QUEUE) -> None:
        self._services = services_of(urls)
        self._size = longest_queue
        self._post: _Post | None = None
        self._lock = ForkSafeLock()
        self._closes_at_exit = False

    def __call__(self, alert: Alert) -> None:
        """Queue an alert; returns at once."""
        if not self._services:
            return
        with self._lock:
            post = self._post
            if post is None or post.pid != os.getpid():
                self._post = post = _Post(self._services, self._size)
                self._close_at_exit()
            self._put(post, alert)

    def close(self, seconds: float = _PATIENCE) -> None:
        """Give what is queued `seconds` to be sent, and stop the thread."""
        with self._lock:
            post, self._post = self._post, None
        if post is None or post.pid != os.getpid():
            return
        drained = post.drain(seconds)
        if not drained:
            _log.warning("about %d alerts were not sent in time", post.queue.unfinished_tasks)
            _empty(post.queue)
        post.queue.put(None)
        if drained:
            post.thread.join(seconds)

    def _close_at_exit(self) -> None:
        if self._closes_at_exit:
            return
        self._closes_at_exit = True
        held = weakref.ref(self)

        def close() -> None:
            known = held()
            if known is not None:
                known.close()

        atexit.register(close)

    def _put(self, post: _Post, alert: Alert) -> None:
        try:
            post.queue.put_nowait(alert)
        except Full:
            post.lost += 1
            if post.lost == 1:
                _log.warning("alerts come faster than they can be sent; see alerts.jsonl")
            return
        if post.lost:
            _log.warning("%d alerts were not sent: the queue was full", post.lost)
            post.lost = 0


def _empty(queue: Queue[Alert | None]) -> None:
    try:
        while True:
            queue.get_nowait()
    except Empty:
        return
