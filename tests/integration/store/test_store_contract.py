"""What every database has to keep: the same tests for each of them."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError

from stripe_billing_router.engine.clock import SystemClock
from stripe_billing_router.errors import ConfigurationError, LedgerTamperedError
from stripe_billing_router.hashing import Seals
from stripe_billing_router.models import (
    AppendEntry,
    BotId,
    CloseOperation,
    EntryDraft,
    OpenOperation,
    Operation,
    OperationState,
    Outcome,
    RecordOutputs,
    ReopenOperation,
    Step,
    StepOutput,
    TakeLease,
)
from stripe_billing_router.ports import DuplicateOperation, StaleLease, TwinInDoubt
from stripe_billing_router.store import Sealing, SqlStore, ledger, migrate
from stripe_billing_router.store.database import Database

BASE = "http://127.0.0.1/sandbox"
LEASE_MS = 60_000


def make_store(url: str, account: str = "acct_1") -> SqlStore:
    database = Database(url, SystemClock())
    migrate.upgrade(database)
    database.close()
    return SqlStore(url, SystemClock(), account_id=account, api_base=BASE)


@pytest.fixture
def store(database_url: str) -> Iterator[SqlStore]:
    made = make_store(database_url)
    yield made
    made.close()


def operation(operation_id: str = "op_1", key: str | None = "key", **changes: Any) -> Operation:
    made = Operation(
        operation_id=operation_id,
        bot=BotId("stripe", "finance", "bot"),
        region="default",
        verb="charge",
        idempotency_key=key,
        input_hash="i" * 64,
        effect_hash="e" * 64,
        state=OperationState.PENDING,
        steps=(Step("payment_intent", "post", "/v1/payment_intents", {"amount": 1999}, "x"),),
        api_version="2026",
        account_id="acct_1",
        key_fingerprint="sha256:0",
        amount_minor=1999,
        currency="usd",
        customer_id="cus_1",
        user_email="someone@example.com",
        arguments={"amount": "19.99", "on_session": False},
    )
    return replace(made, **changes)


def opening(op: Operation, token: str = "t1", lease_ms: int = LEASE_MS) -> OpenOperation:
    return OpenOperation(op, token, lease_ms, "owner")


def outcome(state: OperationState = OperationState.SUCCEEDED) -> Outcome:
    body = {"id": "pi_1", "client_secret": "pi_1_secret_abc", "amount": 1999}
    return Outcome(state, "pi_1", "succeeded", 1999, "usd", True, body)


def draft(bot_id: str | None = "finance:bot", id_: str = "pi_1") -> EntryDraft:
    return EntryDraft(
        id_,
        "charge",
        1999,
        "usd",
        1,
        "someone@example.com",
        bot_id,
        "acct_1",
        {"id": id_},
        False,
        "op_1",
        "succeeded",
    )


@pytest.mark.parametrize("state", [OperationState.SUCCEEDED, OperationState.FAILED])
def test_who_has_not_heard_of_what_has_happened_keeps_equal_calls_waiting(
    store: SqlStore, state: OperationState
) -> None:
    store.commit(opening(operation(key=None)))
    store.commit(CloseOperation("op_1", "t1", state, outcome(state)))
    unheard = CloseOperation("op_1", "t1", OperationState.UNKNOWN, None)
    equal = opening(operation("op_2", key=None))
    if state is OperationState.FAILED:
        with pytest.raises(StaleLease):
            store.commit(unheard)
        store.commit(equal)
    else:
        store.commit(unheard)
        with pytest.raises(TwinInDoubt):
            store.commit(equal)
    found = store.operation("op_1")
    assert found is not None
    assert (found.state, found.outcome is not None) == (state, True)


@pytest.mark.parametrize("late", ["attempt", "generation"])
def test_a_late_outcome_is_not_written_over_a_later_attempt(store: SqlStore, late: str) -> None:
    """The row is in nobody's hands by then, and may become what the outcome says."""
    store.sealing = Sealing(lambda: Seals(["a key"]))
    used_up = late == "generation"
    store.commit(opening(operation(seal="first")))
    gone = CloseOperation("op_1", "t1", OperationState.ABANDONED, None, used_up=used_up)
    store.commit(replace(gone, attempt="first"))
    again = operation(seal="second" if late == "attempt" else "first", generation=int(used_up))
    store.commit(ReopenOperation(again, "t2", LEASE_MS, "owner"))
    store.commit(replace(gone, lease_token="t2", attempt=again.attempt, generation=int(used_up)))
    proven = CloseOperation("op_1", None, OperationState.SUCCEEDED, outcome(), attempt="first")
    with pytest.raises(StaleLease):
        store.commit(proven)


def execute(url: str, statement: str) -> None:
    database = Database(url, SystemClock())
    try:
        with database.engine.connect() as connection:
            connection.begin()
            connection.execute(text(statement))
            connection.commit()
    finally:
        database.close()


def test_an_intent_is_read_back_as_it_was_written(store: SqlStore) -> None:
    store.commit(opening(operation()))
    found = store.operation("op_1")
    assert found is not None
    assert found.created_ms > 0
    assert found.lease_until_ms == found.created_ms + LEASE_MS
    same = replace(
        found,
        created_ms=0,
        started_ms=0,
        updated_ms=0,
        lease_token=None,
        lease_until_ms=0,
        lease_owner=None,
    )
    assert same == operation()


def test_an_operation_id_is_used_once(store: SqlStore) -> None:
    store.commit(opening(operation()))
    with pytest.raises(DuplicateOperation):
        store.commit(opening(operation(), "t2"))
    found = store.operation("op_1")
    assert found is not None
    assert found.lease_token == "t1"


def test_ids_that_differ_in_case_are_two(store: SqlStore) -> None:
    store.commit(opening(operation("op_a")))
    store.commit(opening(operation("op_A")))
    store.commit(AppendEntry(draft("finance:bot")), AppendEntry(draft("finance:Bot")))
    assert store.ledger.verify().streams == 2


def test_of_several_writes_either_all_or_none_are_there(store: SqlStore) -> None:
    store.commit(opening(operation("op_taken")))
    with pytest.raises(DuplicateOperation):
        store.commit(
            opening(operation("op_new")), AppendEntry(draft()), opening(operation("op_taken"))
        )
    assert store.operation("op_new") is None
    assert list(store.ledger.entries()) == []


@pytest.mark.parametrize("state", [OperationState.UNKNOWN, OperationState.REQUIRES_ACTION])
def test_a_keyless_twin_in_doubt_blocks(store: SqlStore, state: OperationState) -> None:
    store.commit(opening(operation("op_1", None)))
    store.commit(CloseOperation("op_1", "t1", state, None))
    with pytest.raises(TwinInDoubt, match="op_1"):
        store.commit(opening(operation("op_2", None)))
    store.commit(opening(operation("op_3", "a key")))


def test_a_keyless_twin_that_crashed_blocks_and_one_that_runs_does_not(store: SqlStore) -> None:
    store.commit(opening(operation("op_1", None)))
    store.commit(opening(operation("op_2", None), lease_ms=-1))
    with pytest.raises(TwinInDoubt, match="op_2"):
        store.commit(opening(operation("op_3", None)))


def test_a_lease_is_taken_by_one_only(store: SqlStore) -> None:
    store.commit(opening(operation(), lease_ms=-1))

    def take(token: str, force: bool = False) -> TakeLease:
        pending = frozenset({OperationState.PENDING})
        return TakeLease("op_1", "t1", pending, token, LEASE_MS, "other", None, force)

    store.commit(take("t2"))
    for late in (take("t3"), take("t3", True)):
        with pytest.raises(StaleLease):
            store.commit(late)


def test_a_live_lease_is_not_taken_but_by_force(store: SqlStore) -> None:
    store.commit(opening(operation()))
    pending = frozenset({OperationState.PENDING})
    with pytest.raises(StaleLease):
        store.commit(TakeLease("op_1", "t1", pending, "t2", LEASE_MS, "o", None))
    store.commit(TakeLease("op_1", "t1", pending, "t2", LEASE_MS, "o", None, by_force=True))


def test_what_was_started_too_long_ago_is_not_taken_for_sending(store: SqlStore) -> None:
    store.commit(opening(operation(), lease_ms=-1))
    pending = frozenset({OperationState.PENDING})
    with pytest.raises(StaleLease):
        store.commit(TakeLease("op_1", "t1", pending, "t2", LEASE_MS, "o", -1))


def test_outputs_and_outcome_are_stored_without_secrets(store: SqlStore) -> None:
    store.commit(opening(operation()))
    output = StepOutput("payment_intent", 200, outcome().body, "req_1")
    store.commit(RecordOutputs("op_1", "t1", (output,)))
    store.commit(CloseOperation("op_1", "t1", OperationState.SUCCEEDED, outcome(), (output,)))
    found = store.operation("op_1")
    assert found is not None
    assert found.state is OperationState.SUCCEEDED
    assert found.lease_token is None
    assert found.outcome is not None
    assert found.outcome.body == found.outputs[0].body == {"id": "pi_1", "amount": 1999}


def test_what_stripe_answered_is_in_an_operations_row_once(
    store: SqlStore, database_url: str
) -> None:
    body = {"id": "pi_1", "amount": 1999, "description": "only once"}
    gave = (StepOutput("customer", 200, {"id": "cus_1"}), StepOutput("payment", 200, body))
    told = replace(outcome(), body={**body})
    store.commit(opening(operation()))
    store.commit(CloseOperation("op_1", "t1", OperationState.SUCCEEDED, told, gave))
    found = store.operation("op_1")
    assert found is not None
    assert (found.outcome, found.outputs) == (told, gave)
    (listed,) = store.operations()
    assert listed == found
    query = text("SELECT outputs, outcome FROM stripe_operations")
    with closing(Database(database_url, SystemClock())) as database, database.read() as connection:
        row = "".join(connection.execute(query).one())
    assert row.count("only once") == 1


def test_what_was_stored_twice_by_an_earlier_version_is_read(
    store: SqlStore, database_url: str
) -> None:
    store.commit(opening(operation()))
    store.commit(CloseOperation("op_1", "t1", OperationState.SUCCEEDED, outcome()))
    found = store.operation("op_1")
    assert found is not None
    execute(database_url, "UPDATE stripe_operations SET outputs = '[]'")
    assert store.operation("op_1") == found


@pytest.mark.parametrize("place", ["9", "-1", "null", '"x"'])
def test_an_outcome_that_names_an_output_that_is_not_there_is_read_without_body(
    store: SqlStore, database_url: str, place: str
) -> None:
    gave = (StepOutput("payment", 200, {**outcome().body}),)
    store.commit(opening(operation()))
    store.commit(CloseOperation("op_1", "t1", OperationState.SUCCEEDED, outcome(), gave))
    changed = f"""REPLACE(outcome, '"body_of":0', '"body_of":{place}')"""
    execute(database_url, f"UPDATE stripe_operations SET outcome = {changed}".replace(":", r"\:"))
    found = store.operation("op_1")
    assert found is not None
    assert found.outcome is not None
    assert found.outcome.body == {}


def test_a_state_never_goes_back(store: SqlStore) -> None:
    store.commit(opening(operation()))
    store.commit(CloseOperation("op_1", "t1", OperationState.SUCCEEDED, outcome()))
    for state in set(OperationState) - {OperationState.UNKNOWN}:
        with pytest.raises(StaleLease):
            store.commit(CloseOperation("op_1", None, state, None))
    store.commit(CloseOperation("op_1", None, OperationState.UNKNOWN, None))  # nobody heard of it
    found = store.operation("op_1")
    assert found is not None
    assert found.state is OperationState.SUCCEEDED


def test_the_holder_of_a_lost_lease_writes_nothing(store: SqlStore) -> None:
    store.commit(opening(operation()))
    with pytest.raises(StaleLease):
        store.commit(
            CloseOperation("op_1", "stale", OperationState.SUCCEEDED, outcome()),
            AppendEntry(draft()),
        )
    assert list(store.ledger.entries()) == []


def test_the_chain_verifies_and_entries_hold_every_column(store: SqlStore) -> None:
    store.commit(AppendEntry(draft()), AppendEntry(draft(None, "x")), AppendEntry(draft()))
    first, system, second = store.ledger.entries()
    assert (first.amount, first.amount_minor, first.currency) == (Decimal("19.99"), 1999, "usd")
    assert (first.stream, first.stream_sequence) == ("finance:bot", 1)
    assert (system.stream, system.stream_sequence) == ("_system", 1)
    assert second.previous_hash == first.entry_hash
    checked = store.ledger.verify()
    assert (checked.ok, checked.entries, checked.streams) == (True, 3, 2)
    assert [e.id for e in store.ledger.entries(bot_id="finance:bot", after=first.sequence)] == [
        "pi_1"
    ]


def test_two_writers_of_a_new_stream_do_not_collide(store: SqlStore) -> None:
    def append() -> None:
        for _ in range(10):
            store.commit(AppendEntry(draft()))

    threads = [threading.Thread(target=append) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.ledger.verify().entries == 80
    assert store.ledger.verify().ok


FORGERIES = [
    "UPDATE stripe_ledger SET amount_minor = 1",
    "UPDATE stripe_ledger SET user_email = NULL",
    "UPDATE stripe_ledger SET user_email = NULL, raw_event_json = NULL, salt = NULL, error = 1",
    "DELETE FROM stripe_ledger",
]


@pytest.mark.parametrize("forgery", FORGERIES)
def test_the_ledger_refuses_change(store: SqlStore, database_url: str, forgery: str) -> None:
    store.commit(AppendEntry(draft()))
    with pytest.raises(DBAPIError):
        execute(database_url, forgery)
    assert store.ledger.verify().ok


def test_the_ledger_refuses_truncate_and_replace(store: SqlStore, database_url: str) -> None:
    store.commit(AppendEntry(draft()))
    row = "SELECT * FROM stripe_ledger"
    forgery = {
        "sqlite": f"INSERT OR REPLACE INTO stripe_ledger {row}",
        "postgresql": "TRUNCATE stripe_ledger CASCADE",
        "mysql": f"REPLACE INTO stripe_ledger {row}",
    }[database_url.partition(":")[0].partition("+")[0]]
    with pytest.raises(DBAPIError):
        execute(database_url, forgery)
    if "mysql" in database_url:
        with pytest.raises(DBAPIError):
            execute(database_url, "TRUNCATE TABLE stripe_ledger")
    assert store.ledger.verify().entries == 1


def test_a_lawful_erasure_leaves_the_chain_verifiable(store: SqlStore, database_url: str) -> None:
    store.commit(AppendEntry(draft()))
    execute(
        database_url,
        "UPDATE stripe_ledger SET user_email = NULL, raw_event_json = NULL, salt = NULL",
    )
    assert store.ledger.verify().ok
    (entry,) = store.ledger.entries()
    assert entry.user_email is None


def _without_triggers(url: str, statement: str) -> None:
    """Tamper as someone who owns the database could."""
    kind = url.partition(":")[0].partition("+")[0]
    drop = {
        "sqlite": ["DROP TRIGGER stripe_ledger_no_update", "DROP TRIGGER stripe_ledger_no_delete"],
        "postgresql": ["ALTER TABLE stripe_ledger DISABLE TRIGGER ALL"],
        "mysql": ["DROP TRIGGER stripe_ledger_no_update", "DROP TRIGGER stripe_ledger_no_delete"],
    }[kind]
    for one in [*drop, statement]:
        execute(url, one)


@pytest.mark.parametrize(
    ("tampering", "why"),
    [
        ("UPDATE stripe_ledger SET status = 'failed' WHERE stream_sequence = 2", "content"),
        ("UPDATE stripe_ledger SET amount = 1 WHERE stream_sequence = 2", "differ"),
        ("UPDATE stripe_ledger SET user_email = 'x@y' WHERE stream_sequence = 2", "user_email"),
    ],
)
def test_tampering_is_found_and_named(
    store: SqlStore, database_url: str, tampering: str, why: str
) -> None:
    for _ in range(3):
        store.commit(AppendEntry(draft()))
    _without_triggers(database_url, tampering)
    found = store.ledger.verify()
    assert not found.ok
    assert found.broken[0].stream_sequence == 2
    assert why in found.broken[0].why
    with pytest.raises(LedgerTamperedError, match="entry 2"):
        found.raise_if_broken()


def test_a_ledger_that_is_written_to_while_it_is_verified_is_whole(
    store: SqlStore, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "_BATCH", 1)
    for number in range(3):
        store.commit(AppendEntry(draft(id_=f"pi_{number}")))
    written: list[int] = []

    def write(done: int) -> None:
        if not written:
            written.append(done)
            store.commit(AppendEntry(draft(id_="pi_late")), AppendEntry(draft("finance:new")))

    found = store.ledger.verify(progress=write)
    assert written == [1]
    assert found.ok, found.broken
    assert store.ledger.verify().entries == 5


def test_only_what_was_written_since_a_verification_is_read(store: SqlStore) -> None:
    for bot in ("finance:bot", "finance:bot", "finance:other", "finance:other"):
        store.commit(AppendEntry(draft(bot)))
    heads = store.ledger.heads()
    assert store.ledger.verify(verified=heads).entries == 0
    store.commit(AppendEntry(draft("finance:bot")), AppendEntry(draft("finance:new")))
    found = store.ledger.verify(store.ledger.heads(), verified=heads)
    assert found.ok, found.broken
    assert found.entries == 3  # the last one that was verified, and both new ones


@pytest.mark.parametrize(
    ("tampering", "why"),
    [
        ("UPDATE stripe_ledger SET status='failed' WHERE stream_sequence=3", "not what was writ"),
        ("UPDATE stripe_ledger SET status='failed' WHERE stream_sequence=2", "not what was writ"),
        ("UPDATE stripe_ledger SET entry_hash='x' WHERE stream_sequence=2", "not what was written"),
        (
            "UPDATE stripe_ledger_heads SET sequence=NULL, stream_sequence=1, entry_hash=(SELECT "
            "previous_hash FROM stripe_ledger WHERE stream_sequence=2)",
            "does not end where its head says|is missing",
        ),
        ("UPDATE stripe_ledger_heads SET stream_sequence=4", "entry 4 is missing"),
    ],
)
def test_what_is_changed_from_the_verified_place_on_is_found(
    store: SqlStore, database_url: str, tampering: str, why: str
) -> None:
    store.commit(AppendEntry(draft(id_="pi_1")), AppendEntry(draft(id_="pi_2")))
    heads = store.ledger.heads()
    store.commit(AppendEntry(draft(id_="pi_3")))
    _without_triggers(database_url, tampering)
    (broken,) = store.ledger.verify(verified=heads).broken
    assert re.search(why, broken.why), broken


def test_missing_triggers_are_noticed_at_start(store: SqlStore, database_url: str) -> None:
    store.commit(AppendEntry(draft()))
    _without_triggers(database_url, "SELECT 1")
    with pytest.raises(LedgerTamperedError, match="ledger upgrade"):
        SqlStore(database_url, SystemClock(), account_id="acct_1", api_base=BASE).operation("x")
    with closing(make_store(database_url)) as mended:
        mended.operation("x")


_HARMLESS = {
    "sqlite": (
        "DROP TRIGGER stripe_ledger_no_delete",
        "CREATE TRIGGER stripe_ledger_no_delete BEFORE DELETE ON stripe_ledger WHEN 0 "
        "BEGIN SELECT RAISE(ABORT, 'stripe_ledger is append-only'); END",
    ),
    "postgresql": (
        "DROP TRIGGER stripe_ledger_no_change ON stripe_ledger",
        "CREATE TRIGGER stripe_ledger_no_change BEFORE UPDATE OR DELETE ON stripe_ledger "
        "FOR EACH ROW WHEN (false) EXECUTE FUNCTION stripe_ledger_guard()",
        "ALTER TABLE stripe_ledger ENABLE ALWAYS TRIGGER stripe_ledger_no_change",
    ),
    "mysql": (
        "DROP TRIGGER stripe_ledger_no_delete",
        "CREATE TRIGGER stripe_ledger_no_delete BEFORE INSERT ON stripe_ledger FOR EACH ROW "
        "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'stripe_ledger is append-only'",
    ),
}


def test_triggers_that_look_the_same_and_stop_nothing_are_noticed(
    store: SqlStore, database_url: str
) -> None:
    store.commit(AppendEntry(draft()))
    for statement in _HARMLESS[make_url(database_url).get_backend_name()]:
        execute(database_url, statement)
    with pytest.raises(LedgerTamperedError, match="ledger upgrade"):
        SqlStore(database_url, SystemClock(), account_id="acct_1", api_base=BASE).operation("x")
    with closing(make_store(database_url)) as mended:
        mended.operation("x")


def test_the_reference_that_stops_truncate_on_mysql_is_looked_after(mysql_url: str) -> None:
    with closing(make_store(mysql_url)) as store:
        store.commit(AppendEntry(draft()))
    execute(
        mysql_url, "ALTER TABLE stripe_ledger_heads DROP FOREIGN KEY stripe_ledger_heads_ibfk_1"
    )
    with pytest.raises(LedgerTamperedError, match="TRUNCATE"):
        SqlStore(mysql_url, SystemClock(), account_id="acct_1", api_base=BASE).operation("x")
    with closing(make_store(mysql_url)) as mended:
        mended.operation("x")
    with pytest.raises(DBAPIError):
        execute(mysql_url, "TRUNCATE stripe_ledger")


@pytest.mark.parametrize(
    ("server", "own", "kill"),
    [
        ("postgres", "SELECT pg_backend_pid()", "SELECT pg_terminate_backend({}, 10000)"),
        ("mysql", "SELECT CONNECTION_ID()", "KILL {}"),
    ],
)
def test_a_server_that_goes_once_it_has_answered_is_no_failure(
    request: pytest.FixtureRequest, server: str, own: str, kill: str
) -> None:
    url = request.getfixturevalue(f"{server}_url")
    with closing(Database(url, SystemClock())) as database:
        for _ in range(2):
            with database.read() as connection:
                number = connection.execute(text(own)).scalar_one()
                execute(url, kill.format(number))


@pytest.mark.parametrize("newest_first", [True, False])
def test_operations_of_several_states_are_paged_in_one_order(
    store: SqlStore, newest_first: bool
) -> None:
    wanted = (OperationState.PENDING, OperationState.FAILED, OperationState.CANCELED)
    for number in range(9):
        store.commit(opening(operation(f"op_{number}", f"k{number}")))
        if number % 3:
            end = wanted[1] if number % 2 else OperationState.SUCCEEDED
            store.commit(CloseOperation(f"op_{number}", "t1", end, outcome()))
    expected = [f"op_{number}" for number in (0, 1, 3, 5, 6, 7)]
    found: list[str] = []
    after = None
    while page := store.operations(
        states=wanted, limit=2, newest_first=newest_first, after=after, bot_id="finance:bot"
    ):
        found += [one.operation_id for one in page]
        after = (page[-1].created_ms, page[-1].operation_id)
    assert found == (expected[::-1] if newest_first else expected)
    assert store.operations(states=[]) == []


def test_a_ledger_belongs_to_its_account_and_api_base(store: SqlStore, database_url: str) -> None:
    store.commit(opening(operation()))
    for other in (
        SqlStore(database_url, SystemClock(), account_id="acct_2", api_base=BASE),
        SqlStore(database_url, SystemClock(), account_id="acct_1", api_base="https://x"),
    ):
        with pytest.raises(ConfigurationError, match="belongs to acct_1"):
            other.operation("op_1")


def test_a_users_own_tables_and_migrations_are_left_alone(database_url: str) -> None:
    execute(database_url, "CREATE TABLE alembic_version (version_num VARCHAR(32))")
    execute(database_url, "INSERT INTO alembic_version VALUES ('theirs')")
    store = make_store(database_url)
    store.commit(opening(operation()))
    database = Database(database_url, SystemClock())
    with database.read() as connection:
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    database.close()
    store.close()
    assert found == "theirs"


def test_only_sqlite_migrates_itself(postgres_url: str) -> None:
    store = SqlStore(postgres_url, SystemClock(), account_id="acct_1", api_base=BASE)
    with pytest.raises(ConfigurationError, match="ledger upgrade"):
        store.operation("x")


def test_postgres_that_may_lose_commits_is_refused(postgres_url: str) -> None:
    make_store(postgres_url)
    lossy = postgres_url.replace(
        "options=-csearch_path", "options=-csynchronous_commit%3Doff+-csearch_path"
    )
    assert lossy != postgres_url
    store = SqlStore(lossy, SystemClock(), account_id="acct_1", api_base=BASE)
    with pytest.raises(ConfigurationError, match="synchronous_commit"):
        store.operation("x")


def test_schema_and_migrations_agree(database_url: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from stripe_billing_router.store.schema import metadata

    make_store(database_url)
    database = Database(database_url, SystemClock())
    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_name": lambda name, type_, _: type_ != "table" or name in metadata.tables
            },
        )
        differences = compare_metadata(context, metadata)
    database.close()
    assert differences == []
