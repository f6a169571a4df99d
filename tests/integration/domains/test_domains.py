"""What a domain may rely on, from end to end, and what it leaves when it is taken out."""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from subprocess import Popen
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import Connection, insert, make_url, select, text, update
from typer.testing import CliRunner

from stripe_billing_router.bootstrap import INSTALLED
from stripe_billing_router.cli import projections
from stripe_billing_router.cli.app import app
from stripe_billing_router.client import operators_desk
from stripe_billing_router.config import load_routing_file
from stripe_billing_router.domain import Applied, Domain, Schema, Transaction
from stripe_billing_router.door import run_verb
from stripe_billing_router.engine import SystemClock
from stripe_billing_router.errors import (
    ConfigurationError,
    FrozenError,
    LedgerUnavailableError,
    PolicyViolationError,
)
from stripe_billing_router.master_account import STRIPE_MASTER_ACCOUNT_ID
from stripe_billing_router.models import BillingEvent, EventDraft
from stripe_billing_router.providers.stripe.verbs import VERBS
from stripe_billing_router.sandbox import SANDBOX_API_BASE, SANDBOX_SECRET_KEY
from stripe_billing_router.store import SqlStore
from stripe_billing_router.store.database import Away, Database
from tests.integration.charge.charge_bench import BOT, ROUTING, Bench, new_world
from tests.integration.domains.conftest import made_at
from tests.integration.domains.points import (
    POINTS,
    Balances,
    GivePoints,
    NoteIntent,
    balances,
    gifts,
    intents,
    points_of,
)

NAME = "projection:points.balances"
ROOT = Path(__file__).parents[3]
ROLES = ROOT / "deploy" / "postgres-roles.sql"
GROUPS = ("stripe_bots", "stripe_operators")


def store_on(url: str, *domains: Domain) -> SqlStore:
    return SqlStore(
        url,
        SystemClock(),
        account_id=STRIPE_MASTER_ACCOUNT_ID,
        api_base=SANDBOX_API_BASE,
        domains=domains,
    )


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    with closing(Database(url, SystemClock())) as database, database.read() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def limit_to(bench: Bench, section: str) -> None:
    bench.config.write_text(f"{bench.config.read_text()}\nbilling: {section}\n")


# -- from end to end ------------------------------------------------------------------------------


def test_a_payment_has_its_effect_when_the_call_returns(any_bench: Bench) -> None:
    with any_bench.router() as router:
        router.charge(BOT, 12)
        assert points_of(router, BOT) == 12
        router.charge(BOT, 30)
        assert points_of(router, BOT) == 42
        noted = select(intents.c.amount_minor).order_by(intents.c.amount_minor)
        assert router.store.read(lambda c: list(c.execute(noted).scalars())) == [1200, 3000]


def test_its_verb_is_guarded_and_has_its_effect(any_bench: Bench) -> None:
    with any_bench.router() as router:
        bought = run_verb(router, "buy_points", BOT, {"amount": 5})
        assert bought.paid
        assert points_of(router, BOT) == 10
        with pytest.raises(PolicyViolationError):
            run_verb(router, "buy_points", BOT, {"amount": 5000})
        operators_desk(router).freeze(BOT, "stop", by="ann")
        with pytest.raises(FrozenError):
            run_verb(router, "buy_points", BOT, {"amount": 5})
        assert [entry.action_type for entry in router.ledger.entries()] == ["points_bought"]


def test_a_write_and_what_it_emits_commit_together_and_are_numbered_with_the_ledger_s(
    any_bench: Bench,
) -> None:
    with any_bench.router() as router:
        router.charge(BOT, 12)
        router.store.commit(GivePoints("g1", BOT, 5))
        router.charge(BOT, 1)
        found = [(event.sequence, event.name) for event in router.history(BOT)]
        assert found == [
            (1, "operation.succeeded"),
            (2, "points.given"),
            (3, "operation.succeeded"),
        ]
        assert points_of(router, BOT) == 18
        with pytest.raises(LedgerUnavailableError):
            router.store.commit(GivePoints("g1", BOT, 5))  # of the same gift
        assert len(router.history(BOT)) == 3
        assert router.ledger.verify().ok


def test_its_guard_refuses_before_anything_is_sent(any_bench: Bench) -> None:
    any_bench.config.write_text(
        any_bench.config.read_text() + "\nbilling: {points: {most: 1000}}\n"
    )
    with any_bench.router() as router:
        before = len(any_bench.world.requests)
        with pytest.raises(PolicyViolationError, match="too many points"):
            router.charge(BOT, 12)
        assert not any(
            one.path.endswith("payment_intents") for one in any_bench.world.requests[before:]
        )
        assert router.charge(BOT, 10).paid
        noted = select(intents.c.amount_minor)
        assert router.store.read(lambda c: list(c.execute(noted).scalars())) == [1000]


def test_its_command_and_its_checks_are_there(
    one_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with one_bench.router() as router:
        router.charge(BOT, 12)
    for name, value in {
        "STRIPE_ROUTING_CONFIG": str(one_bench.config),
        "STRIPE_LEDGER_URL": one_bench.url,
        "STRIPE_API_BASE": SANDBOX_API_BASE,
        "STRIPE_SECRET_KEY": SANDBOX_SECRET_KEY,
    }.items():
        monkeypatch.setenv(name, value)
    run = CliRunner().invoke
    assert run(app, ["points", "show", BOT]).stdout == "12 points\n"
    assert run(app, ["points", "give", "g1", BOT, "3"]).exit_code == 0
    assert run(app, ["points", "show", BOT]).stdout == "15 points\n"
    assert "points" in run(app, ["--help"]).stdout
    found = run(app, ["check", "--offline"]).stdout
    assert "points.tables" in found
    assert "15 points; at most 100000 at once" in found
    assert run(app, ["projections", "compare", NAME]).exit_code == 0
    assert run(app, ["projections", "list"]).stdout == f"{NAME}\n"


def test_faults_of_its_section_are_the_file_s(one_bench: Bench) -> None:
    limit_to(one_bench, "{points: {most: many}, credits: {}}")
    with pytest.raises(ConfigurationError) as caught:
        load_routing_file(one_bench.config, VERBS, [POINTS])
    assert [path for path, _ in caught.value.faults] == ["billing", "billing.points.most"]


# -- taken out ------------------------------------------------------------------------------------


def test_taken_out_it_leaves_nothing_behind_and_back_again_it_catches_up(
    any_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with any_bench.router() as router:
        router.charge(BOT, 12)
    with monkeypatch.context() as out:
        out.delitem(INSTALLED, "points")
        with any_bench.router() as router:
            assert router.charge(BOT, 2000).paid  # its guard is gone
            router.store.upgrade()
            assert router.ledger.verify().ok
            assert router.store.projections.names == ()
            assert router.store.projections.catch_up().applied == 0
            with pytest.raises(ConfigurationError, match="GivePoints"):
                router.store.commit(GivePoints("g", BOT, 1))
        found = CliRunner().invoke(app, ["points"])
        assert found.exit_code == 2
    with any_bench.router() as router:
        assert points_of(router, BOT) == 12
        assert router.store.projections.catch_up().applied == 1
        assert points_of(router, BOT) == 2012


def test_with_roles_of_their_own_bots_write_and_the_worker_projects(
    tmp_path: Path, postgres_url: str, installed: None, caplog: pytest.LogCaptureFixture
) -> None:
    owner = made_at(postgres_url, tmp_path)
    with owner.router() as router:
        router.charge(BOT, 1)
    script, login = ROLES.read_text(), {who: f"{who}_{uuid4().hex[:8]}" for who in GROUPS}
    plain = make_url(postgres_url).set(drivername="postgresql").render_as_string(False)
    with psycopg.connect(plain) as connection:
        connection.execute(script.encode())
        for who, name in login.items():
            connection.execute(f"CREATE ROLE {name} LOGIN IN ROLE {who}".encode())
        connection.execute(b"GRANT INSERT ON stripe_points_intents TO stripe_bots")
        connection.execute(
            b"GRANT SELECT, INSERT, UPDATE ON stripe_points_balances TO stripe_operators"
        )
    at = {who: make_url(postgres_url).set(username=name) for who, name in login.items()}
    bots, worker = (replace(owner, url=at[who].render_as_string(False)) for who in GROUPS)
    with bots.router() as router:
        assert router.charge(BOT, 12).paid
        assert router.charge(BOT, 30).paid
    assert sum("projections wait" in one.message for one in caplog.records) == 1
    assert rows(postgres_url, "SELECT points FROM stripe_points_balances") == [(1,)]
    with worker.router() as router:
        assert router.store.projections.catch_up().applied == 2
    assert rows(postgres_url, "SELECT points FROM stripe_points_balances") == [(43,)]
    with psycopg.connect(plain) as connection:
        for name in login.values():
            connection.execute(f"DROP ROLE {name}".encode())


# -- open writes ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Unheard:
    """A write that nobody has registered."""

    bot_id: str


def test_an_unknown_write_is_refused_before_the_transaction_begins(
    any_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[object] = []
    real = Database.transact
    monkeypatch.setattr(Database, "transact", lambda *given: begun.append(real(*given)))
    with any_bench.router() as router:
        router.store.now_ms()
        begun.clear()
        with pytest.raises(ConfigurationError, match="Unheard"):
            router.store.commit(GivePoints("g1", BOT, 5), Unheard(BOT))
        assert begun == []
        assert router.store.read(lambda c: c.execute(select(gifts)).all()) == []


def test_two_domains_cannot_have_the_same_write() -> None:
    with pytest.raises(ConfigurationError, match="GivePoints"):
        store_on("sqlite:///unused.db", POINTS, replace(POINTS, name="more", projections=[]))


def test_while_the_database_is_away_only_what_says_how_it_is_encoded_is_journaled(
    any_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise Away("The ledger's database is away.")

    with any_bench.router() as router:
        router.charge(BOT, 12)
        with monkeypatch.context() as outage:
            outage.setattr(Database, "transact", away)
            router.store.commit(GivePoints("g1", BOT, 5))
            with pytest.raises(LedgerUnavailableError):
                router.store.commit(NoteIntent(BOT, 1))
            with pytest.raises(LedgerUnavailableError):
                router.store.commit(GivePoints("g2", BOT, 5), NoteIntent(BOT, 1))
    with any_bench.router() as router:
        router.charge(BOT, 1)
        assert points_of(router, BOT) == 18
        assert router.store.read(lambda c: len(c.execute(select(gifts)).all())) == 1


def test_a_journaled_write_of_a_domain_that_was_taken_out_is_not_dropped(
    one_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise Away("The ledger's database is away.")

    with one_bench.router() as router, monkeypatch.context() as outage:
        router.charge(BOT, 12)
        outage.setattr(Database, "transact", away)
        router.store.commit(GivePoints("g1", BOT, 5))
    with monkeypatch.context() as out:
        out.delitem(INSTALLED, "points")
        with one_bench.router() as router, pytest.raises(LedgerUnavailableError, match="points"):
            router.store.drain()
    with one_bench.router() as router:
        assert router.store.drain().drained == 1
        assert points_of(router, BOT) == 17


def test_a_domain_s_mistake_fails_no_commit_that_it_shares(one_bench: Bench) -> None:
    """On SQLite, writers that wait share a transaction."""

    def broken(transaction: Transaction, write: Unheard) -> None:
        transaction.connection.execute(text("INSERT INTO nowhere VALUES (1)"))

    wrong = Domain("wrong", writes={Unheard: Applied(broken)})
    with closing(store_on(one_bench.url, POINTS, wrong)) as store:
        store.commit(GivePoints("first", BOT, 1))
        failed: list[int] = []

        def write(number: int) -> None:
            for turn in range(10):
                gift = GivePoints(f"g{number}-{turn}", BOT, 1)
                same = GivePoints("first", BOT, 1)
                for wrongly in (Unheard(BOT), same) if number % 2 else (gift,):
                    try:
                        store.commit(wrongly)
                    except LedgerUnavailableError:
                        failed.append(number)

        threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [number for number in failed if number % 2 == 0] == []
        assert len(failed) == 4 * 10 * 2
        assert store.read(lambda c: len(c.execute(select(gifts)).all())) == 1 + 4 * 10


# -- projections ----------------------------------------------------------------------------------


class Failing(Balances):
    """Fails at some events as long as it is told to."""

    def __init__(self) -> None:
        self.fails = True

    def apply(self, transaction: Transaction, event: BillingEvent) -> None:
        super().apply(transaction, event)
        if self.fails and event.sequence > 2:
            raise RuntimeError("a fault of the domain's")


def test_a_projection_that_fails_breaks_no_call_and_is_tried_again(
    any_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = Failing()
    monkeypatch.setattr(
        "tests.integration.domains.points.POINTS", replace(POINTS, projections=[failing])
    )
    with any_bench.router() as router:
        for amount in (1, 2, 4, 8):
            assert router.charge(BOT, amount).paid
        assert points_of(router, BOT) == 3  # what came before the fault
        assert len(router.history(BOT)) == 4
        with pytest.raises(RuntimeError):
            router.store.projections.run(BOT)
        failing.fails = False
        assert router.store.projections.catch_up().applied == 0  # it rests
        assert router.store.projections.run(BOT) == 2
        assert points_of(router, BOT) == 15


def test_what_stands_before_a_fault_is_applied(any_bench: Bench) -> None:
    failing = Failing()
    url = any_bench.url
    with closing(store_on(url, replace(POINTS, projections=[failing]))) as store:
        for number in range(5):
            store.commit(GivePoints(f"g{number}", BOT, 1))
        assert store.projections.catch_up().failed == (NAME,)
        assert rows(url, "SELECT points FROM stripe_points_balances") == [(2,)]


def _catch_up(url: str, rounds: int) -> int:
    with closing(store_on(url, POINTS)) as store:
        return sum(store.projections.run("a:a", "b:b", "c:c") for _ in range(rounds))


def test_several_processes_apply_each_event_once(any_bench: Bench) -> None:
    with closing(store_on(any_bench.url, POINTS)) as store:
        for number in range(60):
            store.commit(GivePoints(f"g{number}", "abc"[number % 3] + ":" + "abc"[number % 3], 1))
        with get_context("spawn").Pool(3) as pool:
            done = [pool.apply_async(_catch_up, (any_bench.url, 3)) for _ in range(3)]
            for number in range(60, 90):
                store.commit(GivePoints(f"g{number}", "a:a", 1))
                store.projections.run("a:a")
            for one in done:
                one.get(timeout=120)
        store.projections.catch_up()
        found = store.read(
            lambda c: {row.bot_id: row.points for row in c.execute(select(balances))}
        )
        assert found == {"a:a": 50, "b:b": 20, "c:c": 20}
        assert store.projections.compare(NAME) == []


def test_a_rebuild_finds_and_repairs_what_events_do_not_say(any_bench: Bench) -> None:
    with any_bench.router() as router:
        for amount in (1, 2):
            router.charge(BOT, amount)
        drawn = router.store.projections
        assert drawn.compare(NAME) == []
        wrong = insert(balances).values(bot_id="x:y", points=9, updated_ms=1)
        router.store.transact(lambda t: t.connection.execute(update(balances).values(points=99)))
        router.store.transact(lambda t: t.connection.execute(wrong))
        found = drawn.compare(NAME)
        assert [(one.live or {}).get("points") for one in found] == [99, 9]
        assert [(one.rebuilt or {}).get("points") for one in found] == [3, None]
        assert points_of(router, BOT) == 99  # looking changes nothing
        assert drawn.rebuild(NAME) == found
        assert points_of(router, BOT) == 3
        assert drawn.compare(NAME) == []
        assert len(router.history(BOT)) == 2


WORKER = """
import sys
from stripe_billing_router.bootstrap import INSTALLED
INSTALLED["points"] = "tests.integration.domains.points:POINTS"
from stripe_billing_router.cli.app import app
app(["projections", "work"])
"""


def test_recovery_applies_what_processes_have_left_that_died(any_bench: Bench) -> None:
    with closing(store_on(any_bench.url, POINTS)) as died:
        died.commit(GivePoints("g1", BOT, 7))
    with any_bench.router() as router:
        assert points_of(router, BOT) == 0
        router.recover_operations()
        assert points_of(router, BOT) == 7


def _there(points: int, connection: Connection) -> bool:
    query = select(balances).where(balances.c.points == points)
    return connection.execute(query).first() is not None


def test_a_worker_applies_what_was_written_elsewhere(one_bench: Bench) -> None:
    """It looks twice a second; SIGTERM ends it between two rounds."""
    assert projections._POLL <= 0.5
    environ = {
        **os.environ,
        "STRIPE_ROUTING_CONFIG": str(one_bench.config),
        "STRIPE_LEDGER_URL": one_bench.url,
        "STRIPE_API_BASE": SANDBOX_API_BASE,
        "STRIPE_SECRET_KEY": SANDBOX_SECRET_KEY,
        "PYTHONPATH": str(ROOT),
    }
    with (
        closing(store_on(one_bench.url, POINTS)) as elsewhere,
        Popen([sys.executable, "-c", WORKER], env=environ) as worker,
    ):
        try:
            for number in (1, 2, 3):
                elsewhere.commit(GivePoints(f"g{number}", BOT, 1))
                began = time.monotonic()
                while not elsewhere.read(partial(_there, number)):
                    assert worker.poll() is None
                    assert time.monotonic() - began < 60
        finally:
            worker.terminate()
        assert worker.wait(60) == 0


def _emit(draft: EventDraft, transaction: Transaction) -> None:
    transaction.emit(draft)


def test_an_event_that_somebody_without_a_key_has_written_is_worth_nothing(
    any_bench: Bench,
) -> None:
    with any_bench.router() as router:
        paid = router.charge(BOT, 12)
        for operation_id in (None, "op_forged", paid.operation_id):
            forged = EventDraft(
                BOT, "operation.succeeded", "charge", operation_id, None, 99_900, "usd"
            )
            router.store.transact(partial(_emit, forged))
        # The last names a real payment: it is worth what that was, which its own domain has to
        # give once for each operation.
        assert points_of(router, BOT) == 24
        execute = "UPDATE stripe_operations SET amount_minor = 500000"
        router.store.transact(lambda t: t.connection.execute(text(execute)))
        assert [one.rebuilt for one in router.store.projections.compare(NAME)] == [None]


# -- tables ---------------------------------------------------------------------------------------


def test_a_ledger_of_before_gets_the_domain_s_tables_and_keeps_its_rows(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "routing.yaml").write_text(ROUTING)
    with closing(store_on(database_url)) as store:
        store.upgrade()
    bench = Bench(new_world(), tmp_path, database_url)
    with bench.router() as router:
        router.charge(BOT, 12)
    later = replace(POINTS, schema=Schema(Path(__file__).parent / "points_next", "0002", "0010"))
    with closing(store_on(database_url, POINTS)) as store:
        if not database_url.startswith("sqlite"):
            with pytest.raises(ConfigurationError, match="ledger upgrade"):
                store.now_ms()
        store.upgrade()
        store.commit(GivePoints("g1", BOT, 5))
        assert store.projections.catch_up().failed == (NAME,)  # nobody can tell without a key
    monkeypatch.setitem(INSTALLED, "points", "tests.integration.domains.points:POINTS")
    with bench.router() as router:
        assert router.store.projections.run(BOT) == 2
    with closing(store_on(database_url, later)) as store:
        store.upgrade()
        assert store.ledger.verify().ok
    found = rows(database_url, "SELECT gift_id, points, note FROM stripe_points_gifts")
    assert found == [("g1", 5, None)]
    assert rows(database_url, "SELECT points FROM stripe_points_balances") == [(17,)]
    newer = pytest.raises(ConfigurationError, match=r"0002 of points, newer than this library")
    with closing(store_on(database_url, POINTS)) as store, newer:
        store.now_ms()
    with closing(store_on(database_url, POINTS)) as store, newer:
        store.upgrade()
    with closing(store_on(database_url)) as store:  # not installed any more
        assert store.now_ms()
        assert store.ledger.verify().ok


def test_a_domain_that_needs_a_newer_core_says_so() -> None:
    ahead = replace(POINTS, schema=replace(POINTS.schema, core="9999"))  # type: ignore[type-var]
    with pytest.raises(ConfigurationError, match="Upgrade the library"):
        store_on("sqlite:///unused.db", ahead)
