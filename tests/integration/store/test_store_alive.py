"""PostgreSQL's pool gives no dead connection, and asks only those it has not heard of just now."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any, NoReturn

import pytest
from sqlalchemy import Connection, insert, select, text

from stripe_billing_router.engine.clock import SystemClock
from stripe_billing_router.store import migrate
from stripe_billing_router.store.database import Away, Database
from stripe_billing_router.store.dialects import alive
from stripe_billing_router.store.prepared import Prepared
from stripe_billing_router.store.schema import freezes

PATIENCE = 10.0
WHO = Prepared(text("SELECT pg_backend_pid()"))
THERE = Prepared(text("SELECT count(*) FROM pg_stat_activity WHERE pid = :process"))


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    made = Database(postgres_url, SystemClock())
    yield made
    made.close()


@pytest.fixture
def asked(database: Database, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The connections that were asked whether they live."""
    told: list[Any] = []
    ping = database.engine.dialect.do_ping

    def noted(connection: Any) -> bool:
        told.append(connection)
        return ping(connection)

    monkeypatch.setattr(database.engine.dialect, "do_ping", noted)
    return told


def who(database: Database) -> int:
    with database.write() as connection:
        return int(WHO.scalar(connection, {}))


def end(database: Database, *processes: int) -> None:
    """End connections as an administrator or a restart does, and wait until they have ended."""
    for process in processes:
        with database.read() as connection:
            connection.exec_driver_sql(f"SELECT pg_terminate_backend({process})")
        until = time.monotonic() + PATIENCE
        while _is_there(database, process):
            assert time.monotonic() < until
            time.sleep(0.01)


def freeze(database: Database, name: str) -> None:
    row = {"freeze_id": name, "scope": "*", "reason": "", "frozen_by": "a", "frozen_ms": 1}
    with database.write() as connection:
        connection.execute(insert(freezes), row)


def _is_there(database: Database, process: int) -> bool:
    with database.read() as connection:
        return bool(THERE.scalar(connection, {"process": process}))


def test_what_was_used_just_now_is_not_asked(database: Database, asked: list[Any]) -> None:
    assert len({who(database) for _ in range(5)}) == 1
    assert asked == []


def test_what_was_idle_is_asked(
    database: Database, asked: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = who(database)
    monkeypatch.setattr(alive, "_JUST_NOW", 0.0)
    assert who(database) == first
    assert len(asked) == 1


@pytest.mark.parametrize("hours", [1, -1], ids=["asleep", "set-back"])
def test_after_a_jump_of_the_clock_it_is_asked(
    database: Database, asked: list[Any], monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    first = who(database)
    later = time.time() + hours * 3600
    monkeypatch.setattr(alive, "time", lambda: later)
    assert who(database) == first
    assert len(asked) == 1


@pytest.mark.parametrize("just_now", [0.0, 3600.0], ids=["idle", "just-used"])
def test_connections_that_the_server_has_ended_are_replaced_unnoticed(
    database: Database, monkeypatch: pytest.MonkeyPatch, just_now: float
) -> None:
    monkeypatch.setattr(alive, "_JUST_NOW", just_now)
    with database.write() as one, database.write() as two:
        ended = {int(WHO.scalar(connection, {})) for connection in (one, two)}
    other = Database(database.engine.url.render_as_string(hide_password=False), SystemClock())
    end(other, *ended)
    other.close()
    with database.write() as one, database.read() as two:
        assert not ended & {int(WHO.scalar(connection, {})) for connection in (one, two)}


def test_where_silence_misled_nothing_was_committed_and_the_next_call_works(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate.upgrade(database)
    first = who(database)
    other = Database(database.engine.url.render_as_string(hide_password=False), SystemClock())
    end(other, first)
    other.close()
    monkeypatch.setattr(alive, "_is_silent", lambda connection: True)
    with pytest.raises(Away):
        freeze(database, "f1")
    freeze(database, "f2")
    with database.read() as connection:
        assert connection.scalars(select(freezes.c.freeze_id)).all() == ["f2"]


def test_what_the_server_says_unasked_is_no_reason_to_give_up(
    database: Database, asked: list[Any]
) -> None:
    def listen(connection: Connection) -> None:
        connection.exec_driver_sql("LISTEN something")

    first = who(database)
    database.transact(listen)
    other = Database(database.engine.url.render_as_string(hide_password=False), SystemClock())
    with other.write() as connection:
        connection.exec_driver_sql("NOTIFY something")
    other.close()
    time.sleep(0.1)
    assert who(database) == first
    assert len(asked) == 1


def glance(database: Database) -> int:
    with database.glance() as connection:
        return int(WHO.scalar(connection, {}))


def refuse(database: Database) -> NoReturn:
    raise database.engine.dialect.loaded_dbapi.OperationalError("refused")


def test_what_a_glance_could_not_end_is_not_kept_open(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = glance(database)
    with monkeypatch.context() as patched:
        patched.setattr(database.engine.dialect, "do_rollback", lambda _: refuse(database))
        glance(database)
    assert glance(database) != first


def test_to_close_asks_nobody(
    database: Database, asked: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alive, "_JUST_NOW", 0.0)
    who(database)
    database.close()
    assert asked == []


def test_closes_without_a_server_what_a_glance_has_lost(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Database(database.engine.url.render_as_string(hide_password=False), SystemClock())
    with database.glance() as connection:
        end(other, int(WHO.scalar(connection, {})))
    other.close()
    monkeypatch.setattr(database.engine.dialect, "connect", lambda *_, **__: refuse(database))
    database.close()


def test_a_call_asks_one_kept_connection_of_a_dead_server(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.write(), database.write(), database.write():
        pass
    told: list[Any] = []

    def gone(connection: Any) -> bool:
        told.append(connection)
        return False

    monkeypatch.setattr(alive, "_JUST_NOW", 0.0)
    monkeypatch.setattr(database.engine.dialect, "do_ping", gone)
    who(database)
    assert len(told) == 1


def test_who_waits_for_the_pool_gets_the_next_connection_of_a_writer(database: Database) -> None:
    size = database.engine.pool.size()  # type: ignore[attr-defined]
    full, first, rest = threading.Barrier(size + 1), threading.Event(), threading.Event()

    def write(go_on: threading.Event) -> None:
        with database.write():
            full.wait(PATIENCE)
            go_on.wait(2 * PATIENCE)

    writers = [
        threading.Thread(target=write, args=(first if number == 0 else rest,))
        for number in range(size)
    ]
    for writer in writers:
        writer.start()
    full.wait(PATIENCE)
    late = threading.Thread(target=who, args=(database,))
    late.start()
    time.sleep(0.2)  # it waits
    first.set()
    late.join(PATIENCE / 2)
    served = not late.is_alive()
    rest.set()
    for thread in (*writers, late):
        thread.join(PATIENCE)
    assert served


def test_a_child_does_not_touch_the_pool_of_its_parent(database: Database) -> None:
    who(database)
    pool: Any = database.engine.pool
    with pool._pool.mutex:
        child = threading.Thread(target=database._forget_parents_connections)
        child.start()
        child.join(PATIENCE / 2)
        waits = child.is_alive()
    child.join(PATIENCE)
    assert not waits
    for _, connection in database._parents:
        connection.close()
    pool.dispose()
