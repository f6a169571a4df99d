"""Discrepancies: opened once, counted, moved on by people; the same on every database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from stripe_billing_router.engine import SystemClock
from stripe_billing_router.errors import InvalidRequestError
from stripe_billing_router.models import DiscrepancyRecord
from stripe_billing_router.store import DiscrepancyDB, SqlStore, discrepancies, migrate
from stripe_billing_router.store.database import Database
from stripe_billing_router.store.transacting import insert

FOREIGN = "acct_somebody0else"
MASTER = "acct_1"


@pytest.fixture
def store(database_url: str) -> Iterator[SqlStore]:
    database = Database(database_url, SystemClock())
    migrate.upgrade(database)
    database.close()
    made = SqlStore(database_url, SystemClock(), account_id=MASTER, api_base="http://127.0.0.1")
    yield made
    made.close()


@pytest.fixture
def found(store: SqlStore) -> DiscrepancyDB:
    return store.discrepancies


def recorded(found: DiscrepancyDB, **changes: str | None) -> DiscrepancyRecord:
    settings: dict[str, str | None] = {
        "bot_id": "finance:bot",
        "account_id": FOREIGN,
        "expected_account_id": MASTER,
        "operation_id": None,
        **changes,
    }
    return found.record("key_account", details={"verb": "charge"}, **settings)  # type: ignore[arg-type]


def test_a_discrepancy_is_kept_with_the_real_foreign_account(found: DiscrepancyDB) -> None:
    made = recorded(found)
    assert (made.account_id, made.expected_account_id) == (FOREIGN, MASTER)
    assert (made.state, made.count, made.details) == ("open", 1, {"verb": "charge"})
    assert made.opened_ms == made.last_seen_ms > 0
    assert found.get(made.id) == made
    assert found.list() == (made,)


def test_an_equal_one_is_counted_and_another_is_not(found: DiscrepancyDB) -> None:
    first = recorded(found)
    again = recorded(found)
    assert (again.id, again.count) == (first.id, 2)
    assert again.last_seen_ms >= first.last_seen_ms
    for name in ("bot_id", "account_id", "operation_id"):
        assert recorded(found, **{name: "op_2"}).id != first.id
    assert found.record("destination", bot_id="finance:bot", account_id=FOREIGN).id != first.id
    assert len(found.list()) == 5


def test_after_the_window_an_equal_one_is_a_new_one(found: DiscrepancyDB) -> None:
    first = recorded(found)
    later = found.record("key_account", bot_id="finance:bot", account_id=FOREIGN, repeat_window=0)
    assert later.id != first.id
    assert {one.count for one in found.list(state="open")} == {1}


def test_what_somebody_looks_at_is_counted_and_what_is_resolved_opens_anew(
    found: DiscrepancyDB,
) -> None:
    first = recorded(found)
    found.acknowledge(first.id, by="Zoë")
    assert (recorded(found).id, recorded(found).state) == (first.id, "acknowledged")
    found.resolve(first.id, by="Zoë", note="a test key, replaced ✓")
    assert recorded(found).id != first.id


def test_who_and_when_are_kept(found: DiscrepancyDB) -> None:
    made = recorded(found)
    seen = found.acknowledge(made.id, by="  Zoë ")
    assert (seen.state, seen.acknowledged_by) == ("acknowledged", "Zoë")
    assert seen.acknowledged_ms is not None
    done = found.resolve(made.id, by="Ann", note="replaced ✓")
    assert (done.state, done.resolved_by, done.note) == ("resolved", "Ann", "replaced ✓")
    assert done.resolved_ms is not None
    assert done.resolved_ms >= seen.acknowledged_ms >= made.opened_ms
    assert [d.id for d in found.list(state="resolved")] == [made.id]
    assert found.list(state="open") == ()
    assert found.list(bot_id="finance:other") == ()


def test_an_open_one_may_be_resolved_at_once(found: DiscrepancyDB) -> None:
    assert found.resolve(recorded(found).id, by="Ann").acknowledged_by is None


def refused(call: Callable[[], object], match: str) -> None:
    with pytest.raises(InvalidRequestError, match=match):
        call()


def test_nobody_moves_on_what_is_not_where_they_believe(found: DiscrepancyDB) -> None:
    made = recorded(found)
    found.acknowledge(made.id, by="Ann")
    refused(lambda: found.acknowledge(made.id, by="Bob"), "already acknowledged, by 'Ann'")
    found.resolve(made.id, by="Ann")
    refused(lambda: found.resolve(made.id, by="Bob"), "already resolved, by 'Ann'")
    refused(lambda: found.acknowledge(made.id, by="Bob"), "already resolved")
    refused(lambda: found.resolve("disc_none", by="Bob"), "discrepancies list")
    refused(lambda: found.acknowledge(made.id, by=" "), "names nobody")
    refused(lambda: found.list(state="closed"), "open, acknowledged, resolved")
    assert found.get("disc_none") is None


def at_once(count: int, work: Callable[[], object]) -> None:
    """Run `work` in so many threads at the same moment; what one raises is raised here."""
    start, errors = threading.Barrier(count), list[BaseException]()

    def run() -> None:
        try:
            start.wait(timeout=10)
            work()
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    if errors:
        raise errors[0]


def test_equal_ones_at_the_same_moment_are_one(found: DiscrepancyDB) -> None:
    at_once(16, lambda: recorded(found))
    (only,) = found.list()
    assert only.count == 16


def test_one_that_somebody_opens_in_between_is_counted(
    found: DiscrepancyDB, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look and the insertion; SQLite lets only one write at a time."""
    if database_url.startswith("sqlite"):
        return

    def overtaken(*arguments: Any) -> None:
        monkeypatch.setattr(discrepancies, "insert", insert)
        at_once(1, lambda: recorded(found))
        insert(*arguments)

    monkeypatch.setattr(discrepancies, "insert", overtaken)
    assert recorded(found).count == 2
    assert len(found.list()) == 1


def test_of_two_people_at_the_same_moment_one_acknowledges(found: DiscrepancyDB) -> None:
    made, lost = recorded(found), list[str]()

    def acknowledge() -> None:
        try:
            found.acknowledge(made.id, by=threading.current_thread().name)
        except InvalidRequestError as error:
            lost.append(str(error))

    at_once(8, acknowledge)
    assert len(lost) == 7


def test_secrets_and_endless_texts_do_not_get_in(found: DiscrepancyDB) -> None:
    made = found.record(
        "destination",
        account_id="acct_" + "é" * 500,
        details={"key": "sk_live_planted0000000000", "client_secret": "pi_1_secret_x"},
    )
    assert made.account_id is not None
    assert len(made.account_id) == 255
    assert made.details == {"key": "[redacted]"}
