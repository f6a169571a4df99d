"""Carries events from the outbox to sinks: at least once, and each bot's in order."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from threading import Event

from ..engine import SystemClock
from ..errors import BillingError, ConfigurationError
from ..frozen import frozen
from ..models import BillingEvent
from ..ports import Clock, CommitAmbiguous, EventSink
from ..store import Claim, Outbox

_log = logging.getLogger(__name__)

_LONGEST_REST = 60.0
_MOST_DOUBLINGS = 6
_MOST_BATCHES = 10


@frozen
class PumpReport:
    """What one round did: how many events it delivered, and the sinks that did not take theirs."""

    delivered: int
    failed: tuple[str, ...]


class EventPump:
    """Hands every sink the events that it has not had.

    Any number of pumps may work on one database, in any number of processes: a lease gives each
    bot's events to one of them. A pump that dies leaves its bots to the others after `lease`
    seconds. A sink that fails is asked again later, at the longest after a minute; no
    operation waits for it.
    """

    def __init__(
        self,
        outbox: Outbox,
        sinks: Iterable[EventSink],
        clock: Clock | None = None,
        *,
        batch: int = 100,
        lease: float = 60.0,
    ) -> None:
        self._outbox = outbox
        self._sinks = {sink.name: sink for sink in sinks}
        self._clock = clock or SystemClock()
        self._batch = batch
        self._lease = lease
        _check_names(self._sinks)

    def run_once(self) -> PumpReport:
        """Deliver what is due now. Raises LedgerUnavailableError if the database is away."""
        delivered, failed = 0, []
        for sink in self._sinks.values():
            count, good = self._serve(sink)
            delivered += count
            if not good:
                failed.append(sink.name)
        return PumpReport(delivered, tuple(failed))

    def run(self, stop: Event, poll: float = 1.0) -> None:
        """Deliver until `stop` is set, looking every `poll` seconds for what is new."""
        while not stop.is_set():
            try:
                report = self.run_once()
            except (BillingError, CommitAmbiguous) as error:
                _log.warning("events wait for the ledger's database: %s", error)
                report = PumpReport(0, ())
            if not report.delivered:
                stop.wait(poll)

    def _serve(self, sink: EventSink) -> tuple[int, bool]:
        """Deliver until nothing waits, or until the sink fails: then it is left alone for now."""
        total, before = 0, -1
        while total > before:
            before = total
            for stream in self._outbox.waiting(sink.name):
                claim = self._outbox.claim(sink.name, stream, self._lease_ms)
                if claim is None:
                    continue
                count, good = self._deliver(sink, claim)
                total += count
                if not good:
                    return total, False
        return total, True

    def _deliver(self, sink: EventSink, claim: Claim) -> tuple[int, bool]:
        """Deliver some batches of a bot's events while the lease holds."""
        count = 0
        for _ in range(_MOST_BATCHES):
            taken = self._clock.elapsed()
            events = self._outbox.events(claim, self._batch)
            if not events or self._clock.elapsed() - taken > self._lease / 2:
                break
            if not _sent(sink, events):
                self._outbox.put_off(claim, round(_rest(claim.failures) * 1000))
                return count, False
            count += len(events)
            claim = replace(claim, sequence=events[-1].sequence, failures=0)
            if not self._outbox.delivered(claim, self._lease_ms):
                return count, True  # another pump took over, and delivers these again
        self._outbox.release(claim)
        return count, True

    @property
    def _lease_ms(self) -> int:
        return round(self._lease * 1000)


def _sent(sink: EventSink, events: list[BillingEvent]) -> bool:
    try:
        sink.send(events)
    except Exception as error:  # noqa: BLE001 - whatever a sink raises, its events stay
        # Not the message: it may hold the address of the sink, and a password in it.
        _log.warning("the sink %s took no events: %s", sink.name, type(error).__name__)
        return False
    return True


def _rest(failures: int) -> float:
    return float(min(2 ** min(failures, _MOST_DOUBLINGS), _LONGEST_REST))


def _check_names(names: Iterable[str]) -> None:
    for name in names:
        if not name or len(name) > 64 or not name.isascii():
            raise ConfigurationError(
                f"{name!r} cannot be the name of a sink: its cursor is kept under it. Use up to "
                "64 ASCII characters."
            )
