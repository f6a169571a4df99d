"""Works the inbox: takes events under a lease, applies them, runs the host's handlers.

The router's own change is committed before any handler runs, and only once. A handler that raises
has the event tried again later, and then only the handlers run again.
"""

from __future__ import annotations

import logging
import random
import re
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

from ..bootstrap import Assembly
from ..errors import LedgerUnavailableError
from ..frozen import frozen
from ..models import InboxEvent, InboxState, MarkProcessed
from ..ports import CommitAmbiguous, Event, StaleLease
from ..redaction import printable, redact
from .applying import Applier, NotYet
from .handlers import SHARED, Handler, Handlers, WebhookEvent, told_to_host
from .provenance import NotFromStripe, Provenance

MOST_ATTEMPTS = 30
"""After which an event is given up: the attempts are spread over about 19 hours."""

_FIRST_WAIT_MS = 2_000
_LONGEST_WAIT_MS = 3_600_000
_TAKEN_TOGETHER = 10
_LONGEST_ERROR = 500
_NAME = r"[^\s@<>'\"]"
# Looked for only where a name begins: from each of its characters, it would take quadratic time.
_EMAIL = re.compile(f"(?<!{_NAME}){_NAME}+@{_NAME}+")

_log = logging.getLogger(__name__)


@frozen
class Progress:
    """How many events came to what: `waiting` and `failed` are tried again, `dead` are not,
    `left` were taken over by another worker or are found out about later."""

    processed: int = 0
    superseded: int = 0
    waiting: int = 0
    failed: int = 0
    dead: int = 0
    left: int = 0

    @property
    def total(self) -> int:
        """How many events there are, whatever became of them."""
        return sum(getattr(self, name) for name in self.__match_args__)


class _HandlerFailed(Exception):
    """A handler raised; `args[0]` is what."""


class Worker:
    """Works on events, as many workers at once as there are; leases decide who does which."""

    def __init__(self, parts: Assembly, handlers: Handlers, lease_seconds: float) -> None:
        self._parts = parts
        self._handlers = handlers
        self._applier = Applier(parts)
        self._provenance = Provenance(parts)
        self._lease_seconds = lease_seconds

    def process(self, limit: int) -> Progress:
        """Work on up to `limit` events that are due."""
        done: Counter[str] = Counter()
        while (number := min(limit - done.total(), _TAKEN_TOGETHER)) > 0:
            before = done.total()
            done.update(self._batch(number))
            if done.total() == before:
                break
        return Progress(**done)

    def _batch(self, number: int) -> Iterator[str]:
        token, clock = uuid.uuid4().hex, self._parts.engine.clock
        taken = clock.elapsed()
        lease_ms = int(self._lease_seconds * 1000)
        for event in self._parts.store.inbox.take(number, token, lease_ms):
            if clock.elapsed() - taken > self._lease_seconds / 2:
                self._give_back(event, token)
                yield "left"
            else:
                yield self._work(event, token)

    def _work(self, event: InboxEvent, token: str) -> str:
        try:
            if event.attempts > MOST_ATTEMPTS:
                return self._give_up(event, token, "its worker died at every attempt")
            return str(self._handle(self._provenance.proven(event), token))
        except NotFromStripe as forged:
            return self._refuse(event, token, str(forged))
        except NotYet as why:
            return self._again(event, token, InboxState.WAITING, str(why))
        except StaleLease:
            return self._again(event, token, InboxState.WAITING, "another worker was faster")
        except CommitAmbiguous:
            return "left"  # when the lease has run out, the row says whether it was committed
        except LedgerUnavailableError:
            raise
        except _HandlerFailed as failed:
            return self._failed(event, token, failed.args[0])
        except Exception as error:  # noqa: BLE001 - one event that fails stops no other
            return self._failed(event, token, error)

    def _handle(self, event: InboxEvent, token: str) -> InboxState:
        handlers = (*self._handlers.of(event.type), *SHARED.of(event.type))
        marked: list[MarkProcessed] = []

        def mark(state: InboxState, operation_id: str | None) -> MarkProcessed:
            ends = None if handlers else state
            marked.append(MarkProcessed(event.event_id, token, ends, state, operation_id))
            return marked[-1]

        state = event.applied
        if state is None:
            state = self._applier.apply(event, mark)
            named = marked[-1].operation_id or event.operation_id
            event = replace(event, operation_id=named)
        elif not handlers:
            self._parts.store.commit(MarkProcessed(event.event_id, token, state))
        if handlers:
            _run(handlers, told_to_host(event, state))
            self._parts.store.commit(MarkProcessed(event.event_id, token, state))
        return state

    def _failed(self, event: InboxEvent, token: str, error: Exception) -> str:
        what = printable(f"{event.type} {event.event_id}")
        _log.warning("%s failed: %s", what, type(error).__name__)
        return self._again(event, token, InboxState.FAILED, _told(error))

    def _again(self, event: InboxEvent, token: str, state: InboxState, why: str) -> str:
        if event.attempts >= MOST_ATTEMPTS:
            return self._give_up(event, token, why)
        wait_ms = backoff_ms(event.attempts)
        return self._settle(MarkProcessed(event.event_id, token, state, None, None, wait_ms, why))

    def _give_up(self, event: InboxEvent, token: str, why: str) -> str:
        done = self._settle(MarkProcessed(event.event_id, token, InboxState.DEAD, error=why))
        if done == InboxState.DEAD:
            message = f"{event.type} {event.event_id} is given up after {MOST_ATTEMPTS} attempts"
            self._parts.observers.tell(Event("webhook.dead_letter", "critical", message))
        return done

    def _refuse(self, event: InboxEvent, token: str, why: str) -> str:
        """What no holder of a key received, and Stripe does not know, was written by others."""
        done = self._settle(MarkProcessed(event.event_id, token, InboxState.DEAD, error=why))
        if done == InboxState.DEAD:
            message = f"{event.event_id} is not worked on: {why}"
            self._parts.observers.tell(Event("webhook.unsealed", "critical", message))
        return done

    def _give_back(self, event: InboxEvent, token: str) -> None:
        back = MarkProcessed(event.event_id, token, event.state, None, None, 0, event.error)
        self._settle(replace(back, attempted=False))

    def _settle(self, mark: MarkProcessed) -> str:
        """Commit where an event stands; another worker may have taken it over meanwhile."""
        try:
            self._parts.store.commit(mark)
        except (StaleLease, CommitAmbiguous):
            return "left"
        return str(mark.state)


def _run(handlers: Iterable[Handler], told: WebhookEvent) -> None:
    """Run a host's handlers. What they raise says nothing of our own database, whatever it is."""
    for handler in handlers:
        try:
            handler(told)
        except Exception as error:
            raise _HandlerFailed(error) from error


def backoff_ms(attempts: int) -> int:
    """Return how long to wait after so many attempts: exponential, capped, with jitter."""
    wait = min(_FIRST_WAIT_MS << min(attempts - 1, 20), _LONGEST_WAIT_MS)
    return int(wait * random.uniform(0.8, 1.0))


def _told(error: Exception) -> str:
    """Return an error for people to read in the inbox; it may quote what a customer typed."""
    text = f"{type(error).__name__}: {_EMAIL.sub('[e-mail]', redact(str(error)))}"
    return text[:_LONGEST_ERROR]
