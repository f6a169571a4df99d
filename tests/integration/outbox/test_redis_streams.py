"""Events in a Redis stream: complete, with what it takes to tell a twin, through outages."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import redis

from stripe_billing_router.errors import ConfigurationError
from stripe_billing_router.events import EventPump, RedisStreamsSink
from stripe_billing_router.sandbox import VirtualClock
from stripe_billing_router.store import SqlStore
from tests.integration.outbox.cable import cable_to
from tests.integration.outbox.outbox_bench import entry, store_at, upgraded, written


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def store(sqlite_url: str, clock: VirtualClock) -> Iterator[SqlStore]:
    made = store_at(upgraded(sqlite_url), clock)
    yield made
    made.close()


class Channel:
    """A Redis stream of one test."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.name = f"test:{uuid.uuid4().hex}"
        self.client = redis.Redis.from_url(url, decode_responses=True)

    def entries(self) -> list[dict[str, str]]:
        found: list[tuple[str, dict[str, str]]] = self.client.xrange(self.name)  # type: ignore[assignment]
        return [fields for _, fields in found]


@pytest.fixture
def channel(redis_url: str) -> Iterator[Channel]:
    made = Channel(redis_url)
    yield made
    made.client.delete(made.name)
    made.client.close()


def pumped(store: SqlStore, sink: RedisStreamsSink, clock: VirtualClock) -> tuple[str, ...]:
    """One round of a pump; the sinks that failed."""
    return EventPump(store.outbox, [sink], clock).run_once().failed


@pytest.fixture
def sink(channel: Channel) -> Iterator[RedisStreamsSink]:
    made = RedisStreamsSink(channel.url, channel.name)
    yield made
    made.close()


def test_an_event_is_an_entry_of_text_fields(
    store: SqlStore, channel: Channel, sink: RedisStreamsSink, clock: VirtualClock
) -> None:
    store.commit(entry("finance:bot", 5))
    assert pumped(store, sink, clock) == ()
    [event] = store.outbox.history("finance:bot")
    assert channel.entries() == [
        {
            "id": event.id,
            "name": "operation.succeeded",
            "bot_id": "finance:bot",
            "sequence": "1",
            "at_ms": "1005",
            "action": "charge",
            "operation_id": "op_finance:bot_5",
            "stripe_id": "pi_5",
            "amount_minor": "5",
            "currency": "usd",
            "error": "0",
        }
    ]


def test_what_an_event_does_not_have_is_left_out(
    store: SqlStore, channel: Channel, sink: RedisStreamsSink, clock: VirtualClock
) -> None:
    store.commit(entry(None, operation_id=None, amount_minor=None, currency=None))
    pumped(store, sink, clock)
    [found] = channel.entries()
    assert not {"bot_id", "operation_id", "amount_minor", "currency"} & set(found)


def test_each_bots_events_are_in_order(
    store: SqlStore, channel: Channel, sink: RedisStreamsSink, clock: VirtualClock
) -> None:
    written(store, ["a:a", "b:b"], 5)
    pumped(store, sink, clock)
    for bot in ("a:a", "b:b"):
        own = [found["sequence"] for found in channel.entries() if found["bot_id"] == bot]
        assert own == ["1", "2", "3", "4", "5"]


def test_a_stream_can_be_kept_short(store: SqlStore, channel: Channel, clock: VirtualClock) -> None:
    store.commit(*(entry("a:a", number) for number in range(500)))
    sink = RedisStreamsSink(channel.url, channel.name, maxlen=10)
    pumped(store, sink, clock)
    sink.close()
    kept = channel.entries()
    assert 10 <= len(kept) < 300
    assert kept[-1]["sequence"] == "500"


def test_a_server_that_goes_away_and_comes_back(
    store: SqlStore, channel: Channel, clock: VirtualClock
) -> None:
    address = urlsplit(channel.url)
    with cable_to(address.hostname or "127.0.0.1", address.port or 6379) as cable:
        sink = RedisStreamsSink(f"redis://127.0.0.1:{cable.port}/0", channel.name)
        store.commit(entry("a:a", 1))
        assert pumped(store, sink, clock) == ()
        cable.cut()
        store.commit(entry("a:a", 2))
        assert pumped(store, sink, clock) == (sink.name,)
        store.commit(entry("a:a", 3))
        cable.mend()
        clock.advance(60)
        assert pumped(store, sink, clock) == ()
        sink.close()
    assert [found["sequence"] for found in channel.entries()] == ["1", "2", "3"]


def test_a_connection_that_broke_while_idle_is_no_failure(
    store: SqlStore, channel: Channel, clock: VirtualClock
) -> None:
    address = urlsplit(channel.url)
    with cable_to(address.hostname or "127.0.0.1", address.port or 6379) as cable:
        sink = RedisStreamsSink(f"redis://127.0.0.1:{cable.port}/0", channel.name)
        store.commit(entry("a:a", 1))
        pumped(store, sink, clock)
        cable.cut()
        cable.mend()
        store.commit(entry("a:a", 2))
        assert pumped(store, sink, clock) == ()
        assert cable.connections == 2
        sink.close()
    assert [found["sequence"] for found in channel.entries()] == ["1", "2"]


def test_a_sink_does_not_show_its_address() -> None:
    sink = RedisStreamsSink("redis://user:secret@127.0.0.1:1/0")
    assert "secret" not in repr(sink)
    with pytest.raises(ConfigurationError) as refused:
        RedisStreamsSink("http://user:secret@127.0.0.1")
    assert "secret" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_redis_is_loaded_only_when_it_is_asked_for() -> None:
    script = (
        "import sys, stripe_billing_router, stripe_billing_router.events, "
        "stripe_billing_router.cli.app; print('redis' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_without_the_extra_it_is_named() -> None:
    script = (
        "import sys; sys.modules['redis'] = None\n"
        "from stripe_billing_router import errors\n"
        "try:\n"
        "    from stripe_billing_router.events import RedisStreamsSink\n"
        "except errors.ConfigurationError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True
    )
    assert "stripe-billing-router[redis]" in done.stdout
