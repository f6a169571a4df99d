"""What a drain does, in every database: once, in order, and only what may still be done."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from stripe_billing_router.engine import SystemClock
from stripe_billing_router.models import (
    AppendEntry,
    CloseOperation,
    OpenOperation,
    OperationState,
    RecordOutputs,
    StepOutput,
)
from stripe_billing_router.ports import StaleLease, TwinInDoubt
from stripe_billing_router.store import FallbackStore, drained
from stripe_billing_router.store.database import Away, Database
from stripe_billing_router.store.dialects import mysql, postgresql
from tests.integration.journal.journal_process import Unreached, store_on
from tests.integration.store.test_store_contract import (
    BASE,
    draft,
    make_store,
    opening,
    operation,
    outcome,
)

OUTPUTS = (StepOutput("payment_intent", 200, {"id": "pi_1", "client_secret": "pi_1_secret_x"}),)


@pytest.fixture
def database(database_url: str) -> Iterator[Unreached]:
    make_store(database_url).close()
    made = Unreached(database_url, SystemClock(), account_id="acct_1", api_base=BASE)
    yield made
    made.close()


@pytest.fixture
def store(database: Unreached, tmp_path: Path) -> FallbackStore:
    """A store whose database has just gone away."""
    made = store_on(database, str(tmp_path / "journal.jsonl"))
    made.commit()
    database.away = True
    return made


def keyless(name: str = "op_1") -> OpenOperation:
    return opening(operation(name, None, input_hash=name))


def closing_of(name: str = "op_1", token: str | None = "t1") -> CloseOperation:
    done = outcome()
    return CloseOperation(name, token, done.state, done, OUTPUTS)


def pay(store: FallbackStore, name: str = "op_1") -> None:
    store.commit(keyless(name))
    store.commit(RecordOutputs(name, "t1", OUTPUTS))
    store.commit(closing_of(name), AppendEntry(draft(id_=name)))


def test_a_line_is_drained_once_even_by_drains_that_do_not_know_of_each_other(
    store: FallbackStore, database: Unreached, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("op_1", "op_2", "op_3"):
        pay(store, name)
    path = tmp_path / "journal.jsonl"
    path.with_name("copy.jsonl").write_bytes(path.read_bytes())
    database.away = False
    assert store.drain().drained == 9
    other = store_on(database, str(path.with_name("copy.jsonl")))
    monkeypatch.setattr(drained, "drained_to", lambda connection, journal_id, sealing: 0)
    assert other.drain().superseded == ()
    entries = list(store.ledger.entries())
    assert [entry.id for entry in entries] == ["op_1", "op_2", "op_3"]
    assert store.ledger.verify().ok


def test_an_operation_is_drained_whole_and_without_its_secrets(
    store: FallbackStore, database: Unreached
) -> None:
    pay(store)
    held = store.operation("op_1")
    assert held is not None
    assert held.state is OperationState.SUCCEEDED
    database.away = False
    found = store.operation("op_1")
    assert found is not None
    assert (found.state, found.lease_token) == (OperationState.SUCCEEDED, None)
    assert abs(found.created_ms - held.created_ms) < 1000
    assert found.outputs == (StepOutput("payment_intent", 200, {"id": "pi_1"}),)
    assert found.outcome == replace(outcome(), body={"id": "pi_1", "amount": 1999})
    assert (found.steps, found.arguments) == (held.steps, held.arguments)


def test_the_journal_keeps_the_rules_of_the_table(store: FallbackStore) -> None:
    store.commit(keyless())
    with pytest.raises(StaleLease):
        store.commit(closing_of(token="another"))
    with pytest.raises(StaleLease):
        store.commit(RecordOutputs("op_1", "another", OUTPUTS))
    store.commit(CloseOperation("op_1", "t1", OperationState.UNKNOWN, None))
    with pytest.raises(TwinInDoubt) as told:
        store.commit(opening(operation("op_2", None, input_hash="op_1")))
    assert told.value.args == ("op_1", OperationState.UNKNOWN)
    with pytest.raises(StaleLease):
        store.commit(closing_of())
    store.commit(closing_of(token=None))
    store.commit(opening(operation("op_3", None, input_hash="op_1")))


def test_what_follows_a_drain_follows_it_in_the_database(
    store: FallbackStore, database: Unreached
) -> None:
    store.commit(keyless())
    database.away = False
    assert store.drain().drained == 1
    store.commit(closing_of(), AppendEntry(draft()))
    found = store.operation("op_1")
    assert found is not None
    assert found.state is OperationState.SUCCEEDED


@pytest.mark.parametrize(
    ("patience", "url"),
    [
        (postgresql._PATIENCE, "postgresql://nobody@127.0.0.1:{port}/x"),
        (mysql._PATIENCE, "mysql://nobody@127.0.0.1:{port}/x"),
    ],
    ids=["postgres", "mysql"],
)
def test_a_server_that_does_not_answer_is_not_waited_for_long(
    monkeypatch: pytest.MonkeyPatch, patience: dict[str, int], url: str
) -> None:
    for name in {"connect_timeout", "read_timeout"} & set(patience):
        assert patience[name] <= 5
        monkeypatch.setitem(patience, name, 2)
    silent = socket.create_server(("127.0.0.1", 0))
    database = Database(url.format(port=silent.getsockname()[1]), SystemClock())
    with closing(silent), closing(database):
        began = time.monotonic()
        with pytest.raises(Away), database.read():
            raise AssertionError("it does not answer")
        assert time.monotonic() - began < 20
