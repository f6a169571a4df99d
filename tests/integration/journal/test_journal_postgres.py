"""A real PostgreSQL that stops, is killed and comes back while bots charge."""

from __future__ import annotations

import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from stripe_billing_router.client import BillingRouter
from stripe_billing_router.engine import SystemClock, leases
from stripe_billing_router.errors import BillingError, LedgerUnavailableError
from stripe_billing_router.sandbox import SANDBOX_SECRET_KEY
from stripe_billing_router.sandbox.server import SandboxServer, real_time_world, serving
from stripe_billing_router.store.database import Database
from stripe_billing_router.store.migrate import upgrade
from tests.conftest import SERVICES_REQUIRED
from tests.integration.journal.cluster import Cluster, cluster, programs

BOT = "finance:bot"
ROUTING = """
recovery: {http_timeout: 1, retry_for: 2, in_progress_wait: 0.2}
stripe:
  default:
    finance:
      bot: {product_id: prod_1, price_id: price_1, customer_id: cus_1}
"""
PATIENCE = 60.0
THREADS = 4


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    found = programs()
    if found is None:
        if SERVICES_REQUIRED:
            pytest.fail("there is no initdb")
        pytest.skip("there is no initdb")
    with cluster(found) as made:
        database = Database(made.url, SystemClock())
        upgrade(database)
        database.close()
        yield made


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    world = real_time_world()
    world.add_customer("cus_1", default_payment_method="pm_1")
    with serving(world) as made:
        yield made


@dataclass
class Load:
    """Threads that charge, each amount once, and what they are told."""

    router: BillingRouter
    told: dict[int, Any] = field(default_factory=dict)
    keyed: set[int] = field(default_factory=set)
    _numbers: Iterator[int] = field(default_factory=lambda: count(100))
    _over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        self._threads = [threading.Thread(target=self._charge) for _ in range(THREADS)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _charge(self) -> None:
        while not self._over.is_set():
            minor = next(self._numbers)
            key = f"key-{minor}" if minor % 3 == 0 else None
            if key:
                self.keyed.add(minor)
            amount = f"{minor // 100}.{minor % 100:02}"
            try:
                self.told[minor] = self.router.charge(BOT, amount, idempotency_key=key)
            except BillingError as error:
                self.told[minor] = error

    def paid(self, *, keyed: bool) -> int:
        return sum(
            not isinstance(told, BillingError) and (minor in self.keyed) is keyed
            for minor, told in list(self.told.items())
        )

    def refused(self) -> list[int]:
        return [
            minor
            for minor, told in list(self.told.items())
            if isinstance(told, LedgerUnavailableError)
        ]


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def more(load: Load, number: int, *, keyed: bool) -> Callable[[], bool]:
    wanted = load.paid(keyed=keyed) + number
    return lambda: load.paid(keyed=keyed) >= wanted


def router_on(folder: Path, url: str, sandbox: SandboxServer) -> BillingRouter:
    (folder / "routing.yaml").write_text(ROUTING)
    return BillingRouter(
        folder / "routing.yaml",
        secret_key=SANDBOX_SECRET_KEY,
        ledger_url=url,
        api_base=sandbox.api_base,
        environ={},
        recover_at_start=False,
    )


def rebind(server: Cluster, sandbox: SandboxServer) -> str:
    """A database of its own, for a ledger belongs to one API base."""
    from sqlalchemy import create_engine, make_url, text

    name = f"t{sandbox.api_base.rpartition(':')[2]}"
    admin = create_engine(server.url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    admin.dispose()
    url = make_url(server.url).set(database=name).render_as_string()
    database = Database(url, SystemClock())
    upgrade(database)
    database.close()
    return url


def test_nothing_is_lost_or_done_twice_while_the_server_dies_and_comes_back(
    server: Cluster, sandbox: SandboxServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "_MARGIN", 0.5)
    router = router_on(tmp_path, rebind(server, sandbox), sandbox)
    load = Load(router)
    load.start()
    try:
        until(more(load, 10, keyed=True))
        for go_away in (server.stop, server.kill):
            go_away()
            before = len(load.refused())
            until(more(load, 20, keyed=False))
            until(lambda seen=before: len(load.refused()) > seen + 5)  # type: ignore[misc]
            server.start()
            until(more(load, 10, keyed=True))
    finally:
        load.stop()
    _settle(router)
    _check(router, load, sandbox)
    router.close()


def test_while_neither_can_be_written_nothing_reaches_stripe(
    server: Cluster, sandbox: SandboxServer, tmp_path: Path
) -> None:
    router = router_on(tmp_path, rebind(server, sandbox), sandbox)
    router.charge(BOT, 5)
    shutil.rmtree(tmp_path / "finance_logs")
    (tmp_path / "finance_logs").touch()
    sent = len(sandbox.world.requests)
    server.stop()
    try:
        for key in (None, "k"):
            with pytest.raises(LedgerUnavailableError) as told:
                router.charge(BOT, 6, idempotency_key=key)
            assert told.value.money == "not_moved"
            if key is None:
                assert "STRIPE_LEDGER_FALLBACK" in str(told.value)
        assert len(sandbox.world.requests) == sent
    finally:
        server.start()
    assert router.charge(BOT, 6).paid
    router.close()


def _settle(router: BillingRouter) -> None:
    def settled() -> bool:
        router.recover_operations()
        open_ = router.store.operations(states=["pending", "unknown"])  # type: ignore[list-item]
        return not open_

    until(settled)


def _check(router: BillingRouter, load: Load, sandbox: SandboxServer) -> None:
    moved = Counter(int(effect["amount"]) for effect in sandbox.world.effects())
    booked = Counter(entry.amount_minor for entry in router.ledger.entries() if entry.amount_minor)
    assert max(moved.values()) == 1
    assert booked == moved
    assert router.ledger.verify().ok
    tried = {
        body["amount"] for body in sandbox.world.objects("payment_intent") if not _harmless(body)
    }
    for minor, told in load.told.items():
        if isinstance(told, LedgerUnavailableError):
            assert told.money == "not_moved"
            assert minor not in tried
        elif not isinstance(told, BillingError):
            assert moved[minor] == 1
    assert any(minor in load.keyed for minor in load.refused())


def _harmless(payment: dict[str, Any]) -> bool:
    """What excludes an operation whose intent was written and never sent."""
    return "excludes_operation_id" in payment["metadata"]
