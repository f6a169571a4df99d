"""Stripe pays, and what became of it cannot be written: the ledger is there, but refuses.

The caller's own process, or another one that recovers when it starts, asks again: one effect.
"""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text

from stripe_billing_router.client import BillingRouter
from stripe_billing_router.engine import SystemClock
from stripe_billing_router.errors import OutcomeUnknownError
from stripe_billing_router.sandbox.server import real_time_world
from stripe_billing_router.store.database import Database
from stripe_billing_router.store.migrate import upgrade
from tests.conftest import POSTGRES
from tests.integration.charge import asks_again
from tests.integration.charge.charge_bench import BOT, CARD, CUSTOMER, ROUTING, Bench, Wire
from tests.integration.charge.charge_server import serving
from tests.integration.journal.journal_bench import Heard

QUICK = "recovery: {lock_timeout: 0.2, retry_for: 0}"

Refusal = Callable[[Bench], AbstractContextManager[None]]


@contextmanager
def locked(bench: Bench) -> Iterator[None]:
    """Somebody else writes to the file for longer than anybody waits."""
    other = create_engine(bench.url, isolation_level="AUTOCOMMIT")
    with other.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield
        connection.exec_driver_sql("ROLLBACK")
    other.dispose()


@contextmanager
def rows_locked(bench: Bench) -> Iterator[None]:
    """Somebody else has changed what the outcome changes, and does not come to an end."""
    other = create_engine(bench.url)
    with other.connect() as connection:
        for table in ("stripe_operations", "stripe_ledger_heads"):
            connection.execute(text(f"SELECT 1 FROM {table} FOR UPDATE"))
        yield
    other.dispose()


@contextmanager
def read_only(bench: Bench) -> Iterator[None]:
    """The server has become one that can only be read, as after a failover."""
    name = make_url(bench.url).database
    # Waited for: one that is about to end still seems to live to who uses it next.
    ended = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
    others = f"{ended} WHERE datname = '{name}'"
    for value in ("on", "off"):
        administered(f"ALTER DATABASE {name} SET default_transaction_read_only = {value}", others)
        if value == "on":
            yield


@contextmanager
def interrupted(_bench: Bench) -> Iterator[None]:
    """Somebody holds Ctrl-C down: every commit is interrupted."""

    def interrupt(_connection: Connection) -> None:
        raise KeyboardInterrupt

    event.listen(Engine, "commit", interrupt)
    yield
    event.remove(Engine, "commit", interrupt)


REFUSALS: dict[str, tuple[str, Refusal]] = {
    "locked": ("sqlite_url", locked),
    "rows-locked-in-postgres": ("postgres_url", rows_locked),
    "rows-locked-in-mysql": ("mysql_url", rows_locked),
    "read-only": ("postgres_database", read_only),
    "interrupted": ("sqlite_url", interrupted),
}


def administered(*statements: str) -> None:
    admin = create_engine(POSTGRES, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    admin.dispose()


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[str]:
    """A database of its own: what is set for it concerns nobody else."""
    name = f"t{uuid.uuid4().hex[:16]}"
    administered(f"CREATE DATABASE {name}")
    url = make_url(postgres_url).set(database=name, query={})
    yield url.render_as_string(hide_password=False)
    administered(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def refusal(request: pytest.FixtureRequest) -> tuple[str, Refusal]:
    database, how = REFUSALS[request.param]
    return str(request.getfixturevalue(database)), how


@pytest.fixture
def bench(tmp_path: Path, refusal: tuple[str, Refusal]) -> Iterator[Bench]:
    (tmp_path / "routing.yaml").write_text(QUICK + ROUTING)
    database = Database(refusal[0], SystemClock())
    upgrade(database)
    database.close()
    world = real_time_world()
    world.add_customer(CUSTOMER, default_payment_method=CARD)
    made = Bench(world, tmp_path, refusal[0])
    yield made
    made.close()


@pytest.fixture
def base(bench: Bench) -> Iterator[str]:
    """Where every process finds the sandbox: a ledger belongs to its address."""
    with serving(bench.world) as server:
        yield server.base


@contextmanager
def unwritable(bench: Bench) -> Iterator[None]:
    """Nor can the journal be written, as where both are on one full disk."""
    journal = bench.folder / "finance_logs" / "stripe_ledger.jsonl"
    journal.mkdir(parents=True)
    with rows_locked(bench) if "postgres" in bench.url else locked(bench):
        yield
    journal.rmdir()


@pytest.fixture
def service(bench: Bench, tmp_path: Path) -> Path:
    """The routing file of another service on the host, with the same ledger, and a journal of its
    own."""
    there = tmp_path / "service" / "routing.yaml"
    there.parent.mkdir()
    there.write_text(bench.config.read_text())
    return there


class Ledger:
    """From the next request on that moves money, until `end`, it refuses what is written to it."""

    def __init__(self, bench: Bench, how: Refusal) -> None:
        self._refusal = how(bench)
        self._refusing = ExitStack()
        self._told = False

    def refuse(self, method: str, _url: str) -> None:
        if method == "POST" and not self._told:
            self._told = True
            self._refusing.enter_context(self._refusal)

    def end(self) -> None:
        self._refusing.close()


def charged(
    bench: Bench, base: str, how: Refusal, *, answer_is_lost: bool
) -> tuple[BillingRouter, Heard]:
    """Charge once; Stripe pays, and the ledger refuses to take down what became of it."""
    bench.warm(clock=SystemClock(), api_base=base).close()
    ledger, heard = Ledger(bench, how), Heard()
    wire = Wire(bench.world, before=ledger.refuse)
    router = bench.router(http_client=wire, clock=SystemClock(), api_base=base, observers=[heard])
    if answer_is_lost:
        bench.fault("cut", effect=True, times=None)
    with suppress(KeyboardInterrupt, OutcomeUnknownError):
        router.charge(BOT, 5)
    ledger.end()
    bench.world.faults.clear()
    assert bench.moved() == [500]
    return router, heard


def told_to_another_process(bench: Bench, base: str, config: Path | None = None) -> str:
    given = json.dumps([str(config or bench.config), bench.url, base, BOT, 5])
    command = [sys.executable, "-m", asks_again.__name__, given]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.mark.parametrize("asks", ["the-same-process", "another-process"])
@pytest.mark.parametrize(
    ("refusal", "answer_is_lost"),
    [*((name, True) for name in REFUSALS), ("interrupted", False)],
    indirect=["refusal"],
)
def test_a_doubt_that_the_ledger_refuses_is_not_forgotten(
    bench: Bench, base: str, refusal: tuple[str, Refusal], asks: str, answer_is_lost: bool
) -> None:
    router, _ = charged(bench, base, refusal[1], answer_is_lost=answer_is_lost)
    if asks == "another-process":
        assert "OutcomeUnknownError" in told_to_another_process(bench, base)
    else:
        with pytest.raises(OutcomeUnknownError):
            router.charge(BOT, 5)
    assert bench.moved() == [500]


@pytest.mark.parametrize(
    "refusal", [name for name in REFUSALS if name != "interrupted"], indirect=True
)
def test_an_outcome_that_the_ledger_refuses_is_recorded_as_soon_as_it_does_not(
    bench: Bench, base: str, refusal: tuple[str, Refusal]
) -> None:
    router, heard = charged(bench, base, refusal[1], answer_is_lost=False)
    assert heard.names() == ["ledger.journaled"]
    assert bench.booked(router) == [500]
    assert [o.state for o in router.store.operations(limit=1)] == ["succeeded"]
    assert heard.names("operation.") == ["operation.closed"]


TWO_SERVICES = pytest.mark.parametrize(
    "refusal", ["locked", "rows-locked-in-postgres"], indirect=True
)


@TWO_SERVICES
def test_a_doubt_that_nobody_can_write_down_is_one_all_the_same(
    bench: Bench, base: str, service: Path
) -> None:
    router, heard = charged(bench, base, unwritable, answer_is_lost=True)
    assert heard.names("operation.") == ["operation.unrecorded"]
    for config in (bench.config, service):
        assert "OutcomeUnknownError" in told_to_another_process(bench, base, config)
    with pytest.raises(OutcomeUnknownError):
        router.charge(BOT, 5)
    assert bench.moved() == [500]


@TWO_SERVICES
def test_a_doubt_in_the_journal_of_one_service_is_known_to_another(
    bench: Bench, base: str, service: Path, refusal: tuple[str, Refusal]
) -> None:
    charged(bench, base, refusal[1], answer_is_lost=True)
    assert "OutcomeUnknownError" in told_to_another_process(bench, base, service)
    assert bench.moved() == [500]


@TWO_SERVICES
def test_equal_calls_of_two_services_at_the_same_time_are_two_payments(
    bench: Bench, base: str, service: Path
) -> None:
    told: list[str] = []

    def ask(method: str, _url: str) -> None:
        if method == "POST" and not told:
            told.append("")
            told[0] = told_to_another_process(bench, base, service)

    bench.warm(clock=SystemClock(), api_base=base).close()
    wire = Wire(bench.world, before=ask)
    router = bench.router(http_client=wire, clock=SystemClock(), api_base=base)
    assert router.charge(BOT, 5).paid
    assert told[0].endswith("succeeded\n")
    assert bench.moved() == [500, 500]
