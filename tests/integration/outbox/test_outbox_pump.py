"""Pumps: everything arrives, each bot's events in order, whatever sinks and pumps do."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest

from stripe_billing_router.engine.clock import SystemClock
from stripe_billing_router.errors import ConfigurationError, LedgerUnavailableError
from stripe_billing_router.events import EventPump
from stripe_billing_router.sandbox import VirtualClock
from stripe_billing_router.store import Outbox, SqlStore
from tests.integration.outbox.outbox_bench import ListSink, entry, store_at, upgraded, written
from tests.integration.store.test_store_contract import execute

BOTS = ("a:a", "b:b", "c:c")


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def local(sqlite_url: str, clock: VirtualClock) -> Iterator[SqlStore]:
    """A store whose time goes by when it is told to."""
    made = store_at(upgraded(sqlite_url), clock)
    yield made
    made.close()


def pump_of(store: SqlStore, *sinks: Any, **settings: Any) -> EventPump:
    return EventPump(store.outbox, sinks, SystemClock(), **settings)


def test_everything_is_delivered_once_and_each_bots_in_order(store: SqlStore) -> None:
    written(store, BOTS, 7)
    sink = ListSink()
    report = pump_of(store, sink, batch=3).run_once()
    assert (report.delivered, report.failed) == (21, ())
    assert sink.by_bot() == {bot: list(range(1, 8)) for bot in BOTS}
    assert pump_of(store, sink).run_once().delivered == 0


def test_a_pump_goes_on_where_another_ended(store: SqlStore) -> None:
    sink = ListSink()
    written(store, BOTS, 2)
    pump_of(store, sink).run_once()
    store.commit(entry("a:a", 3))
    pump_of(store, sink).run_once()
    assert sink.by_bot() == {"a:a": [1, 2, 3], "b:b": [1, 2], "c:c": [1, 2]}


def test_every_sink_has_a_cursor_of_its_own(store: SqlStore) -> None:
    early, late = ListSink("early"), ListSink("late")
    store.commit(entry("a:a", 1))
    pump_of(store, early).run_once()
    store.commit(entry("a:a", 2))
    pump_of(store, early, late).run_once()
    assert early.by_bot() == late.by_bot() == {"a:a": [1, 2]}


def test_an_event_keeps_its_id(store: SqlStore) -> None:
    first, second = ListSink("first"), ListSink("second")
    store.commit(entry("a:a"))
    pump_of(store, first, second).run_once()
    assert first.got == second.got == store.outbox.history("a:a")


def test_a_sink_that_fails_gets_its_events_later(local: SqlStore, clock: VirtualClock) -> None:
    written(local, ["a:a"], 3)
    broken, good = ListSink("broken", failures=3), ListSink("good")
    pump = EventPump(local.outbox, [broken, good], clock)
    assert pump.run_once().failed == ("broken",)
    assert (broken.got, len(good.got)) == ([], 3)
    for rest in (1, 2, 4):
        clock.advance(rest - 0.1)
        assert pump.run_once().failed == ()
        assert broken.got == []
        clock.advance(0.2)
        pump.run_once()
    assert broken.by_bot() == {"a:a": [1, 2, 3]}


def test_the_rest_after_failures_has_a_limit(local: SqlStore, clock: VirtualClock) -> None:
    local.commit(entry("a:a"))
    broken = ListSink(failures=40)
    pump = EventPump(local.outbox, [broken], clock)
    for _ in range(40):
        pump.run_once()
        clock.advance(60)
    assert broken.calls == 40
    pump.run_once()
    assert len(broken.got) == 1


def test_a_bot_whose_events_are_refused_does_not_hold_up_others(
    local: SqlStore, clock: VirtualClock
) -> None:
    class Choosy(ListSink):
        def send(self, events: Any) -> None:
            if events[0].bot_id == "a:a":
                raise ValueError("never")
            super().send(events)

    written(local, BOTS, 2)
    sink = Choosy()
    pump = EventPump(local.outbox, [sink], clock)
    for _ in range(4):
        pump.run_once()
    assert sink.by_bot() == {"b:b": [1, 2], "c:c": [1, 2]}


def test_a_failure_is_logged_without_what_the_sink_said(
    local: SqlStore, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    local.commit(entry("a:a"))
    with caplog.at_level(logging.DEBUG):
        EventPump(local.outbox, [ListSink(failures=1)], clock).run_once()
    assert "ConnectionError" in caplog.text
    assert "password" not in caplog.text


def test_a_stream_has_one_pump_at_a_time(local: SqlStore, clock: VirtualClock) -> None:
    local.commit(entry("a:a"))
    claim = local.outbox.claim("list", "a:a", 60_000)
    assert claim is not None
    sink = ListSink()
    pump = EventPump(local.outbox, [sink], clock)
    assert pump.run_once().delivered == 0
    assert local.outbox.claim("list", "a:a", 60_000) is None
    clock.advance(60.001)
    assert pump.run_once().delivered == 1
    assert local.outbox.delivered(claim, 60_000) is False


def test_a_pump_that_was_overtaken_moves_no_cursor_back(
    local: SqlStore, clock: VirtualClock
) -> None:
    written(local, ["a:a"], 3)
    sink = ListSink()

    class Slow(ListSink):
        """Falls asleep within its delivery; meanwhile another pump takes over."""

        def send(self, events: Any) -> None:
            super().send(events)
            clock.advance(61)
            EventPump(local.outbox, [sink], clock).run_once()

    slow = Slow()
    EventPump(local.outbox, [slow], clock, batch=1).run_once()
    assert slow.by_bot() == {"a:a": [1]}
    assert sink.by_bot() == {"a:a": [1, 2, 3]}
    assert EventPump(local.outbox, [sink], clock).run_once().delivered == 0


def test_events_that_are_missing_do_not_keep_a_pump_busy(
    local: SqlStore, sqlite_url: str, clock: VirtualClock
) -> None:
    local.commit(entry("a:a"))
    execute(sqlite_url, "UPDATE stripe_ledger_heads SET event_sequence = 9")
    sink = ListSink()
    assert EventPump(local.outbox, [sink], clock).run_once().delivered == 1
    assert EventPump(local.outbox, [sink], clock).run_once().delivered == 0


class Died(BaseException):
    """The process ends here."""


class Mortal:
    """An outbox, or a sink, whose holder dies before or after the n-th call of anything."""

    def __init__(self, inner: Any, step: Callable[[], None]) -> None:
        self._inner = inner
        self._step = step

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found):
            return found

        def called(*args: Any) -> Any:
            self._step()
            result = found(*args)
            self._step()
            return result

        return called


def test_a_death_at_any_boundary_loses_nothing_and_keeps_the_order(
    local: SqlStore, clock: VirtualClock
) -> None:
    written(local, BOTS[:2], 3)
    deaths = 0
    for boundary in count():
        steps = iter(range(1000))

        def step(steps: Iterator[int] = steps, boundary: int = boundary) -> None:
            if next(steps) == boundary:
                raise Died

        sink = ListSink(f"list{boundary}")
        mortal: Any = Mortal(local.outbox, step)
        mortal_sink: Any = Mortal(sink, step)
        try:
            EventPump(mortal, [mortal_sink], clock, batch=2).run_once()
        except Died:
            deaths += 1
            clock.advance(61)
            EventPump(local.outbox, [sink], clock, batch=2).run_once()
        assert sink.first_by_bot() == {"a:a": [1, 2, 3], "b:b": [1, 2, 3]}
        if deaths == boundary:
            break
    assert deaths > 20


def test_pumps_and_writers_at_once(url: str, store: SqlStore) -> None:
    """What commits later is never skipped, though its number was taken earlier."""
    bots = [f"bot:n{number}" for number in range(4)]
    sink, done = ListSink(), threading.Event()
    stores = [store_at(url) for _ in range(3)]
    failures: list[BaseException] = []

    def write(made: SqlStore, offset: int) -> None:
        for number in range(15):
            made.commit(*(entry(bot, offset + number) for bot in bots[offset % 2 :: 2]))

    def pump(outbox: Outbox) -> None:
        try:
            EventPump(outbox, [sink], SystemClock(), batch=3).run(done, 0.01)
        except BaseException as error:  # noqa: BLE001 - the test itself raises it
            failures.append(error)

    writers = [threading.Thread(target=write, args=(stores[n % 3], n)) for n in range(4)]
    pumps = [threading.Thread(target=pump, args=(made.outbox,)) for made in stores]
    for thread in [*writers, *pumps]:
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    for thread in pumps:
        thread.join()
    pump_of(store, sink).run_once()
    assert failures == []
    assert sink.by_bot() == {bot: list(range(1, 31)) for bot in bots}
    told = {event.id for bot in bots for event in store.outbox.history(bot, limit=1000)}
    assert {event.id for event in sink.got} == told
    for made in stores:
        made.close()


def test_a_sink_never_stops_the_ledger(store: SqlStore) -> None:
    inside, go_on = threading.Event(), threading.Event()

    class Hanging(ListSink):
        def send(self, events: Any) -> None:
            inside.set()
            assert go_on.wait(20)
            super().send(events)

    store.commit(entry("a:a", 1))
    sink = Hanging()
    thread = threading.Thread(target=pump_of(store, sink).run_once)
    thread.start()
    assert inside.wait(20)
    store.commit(entry("a:a", 2))
    assert len(store.outbox.history("a:a")) == 2
    go_on.set()
    thread.join()
    assert sink.by_bot() == {"a:a": [1, 2]}


def test_a_pump_survives_a_database_that_is_away(
    local: SqlStore, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    local.commit(entry("a:a"))
    stop, outages = threading.Event(), iter((True, True))

    class Last(ListSink):
        def send(self, events: Any) -> None:
            super().send(events)
            stop.set()

    def step() -> None:
        if next(outages, False):
            raise LedgerUnavailableError("away")

    outbox: Any = Mortal(local.outbox, step)
    sink = Last()
    EventPump(outbox, [sink], clock).run(stop, 0.001)
    assert sink.by_bot() == {"a:a": [1]}
    assert caplog.text.count("events wait for the ledger's database") == 2


@pytest.mark.parametrize("name", ["", "x" * 65, "Ünicode"])
def test_a_sink_needs_a_name_for_its_cursor(local: SqlStore, name: str) -> None:
    with pytest.raises(ConfigurationError, match="64 ASCII"):
        pump_of(local, ListSink(name))
