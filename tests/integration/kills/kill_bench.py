"""A sandbox behind a socket, a real ledger, bots that are killed, and what has to hold after."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, select
from sqlalchemy.exc import DBAPIError

from stripe_billing_router.client import BillingRouter
from stripe_billing_router.engine import SystemClock
from stripe_billing_router.sandbox import SANDBOX_SECRET_KEY, Fault, HttpRequest, World
from stripe_billing_router.sandbox.server import SandboxServer, real_time_world, serving
from stripe_billing_router.store import StripeLedger
from stripe_billing_router.store.database import Database
from stripe_billing_router.store.migrate import upgrade
from stripe_billing_router.store.schema import heads, ledger, operations
from tests.integration.kills import nursery
from tests.simulation.truth import Effect, effects, overpaid_back, payable

MARGIN = 0.5
PATIENCE = 60.0
CUSTOMERS = {"cus_0": "succeeds", "cus_1": "succeeds", "cus_2": "declined:lost_card"}
IMPATIENT = "{http_timeout: 0.5, retry_for: 1, in_progress_wait: 1}"
ROUTING = """
stripe:
  default:
    finance:
      bot: {product_id: prod_1, price_id: price_once, customer_id: cus_0}
"""
_SETTLED = frozenset("succeeded failed abandoned canceled processing".split())
_FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "cut", "effect": True},
    {"kind": "cut"},
    {"kind": "server_error"},
    {"kind": "truncated"},
    {"kind": "rate_limited"},
    {"kind": "lock_timeout"},
)


def until(condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Wait for a condition; AssertionError if it does not come true in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds:.0f} s"
        time.sleep(0.005)


class Bot:
    """One process that asks and asks."""

    def __init__(self, pid: int, notes: Path) -> None:
        self.pid = pid
        self._notes = notes

    def alive(self) -> bool:
        with suppress(OSError):
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        return False

    def send(self, what: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, what)

    def kill(self) -> None:
        self.send(signal.SIGKILL)
        until(lambda: not self.alive())

    def lines(self) -> list[dict[str, Any]]:
        """What it has noted so far; a line that it was killed in the middle of does not count."""
        if not self._notes.exists():
            return []
        whole = self._notes.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines()]


class KillBench:
    """`world` and its server live in the test's process; bots come and go."""

    def __init__(self, folder: Path, url: str, server: SandboxServer) -> None:
        self.world = server.world
        self._folder = folder
        self._settings: dict[str, Any] = {
            "config": str(folder / "routing.yaml"),
            "ledger_url": url,
            "api_base": server.api_base,
            "secret_key": SANDBOX_SECRET_KEY,
            "folder": str(folder),
            "bills": [_bill(self.world) for _ in range(2)],
            "margin": MARGIN,
        }
        (folder / "settings.json").write_text(json.dumps(self._settings))
        self.database = Database(url, SystemClock())
        upgrade(self.database)
        self._no_waiting = _impatient(url)
        self._nursery = subprocess.Popen(
            [sys.executable, str(Path(nursery.__file__)), str(folder / "settings.json")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.bots: list[Bot] = []

    def start(self, seed: int) -> Bot:
        """Start a bot that asks for this and that until it is killed."""
        return self._started(f"anything {seed}")

    def start_on_keys(self, threads: int, keys: int) -> Bot:
        """Start a bot whose threads share out the same keys as every other's."""
        return self._started(f"keys {threads} {keys}")

    def _started(self, order: str) -> Bot:
        stdin, stdout = self._nursery.stdin, self._nursery.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(f"{order}\n")
        stdin.flush()
        pid = int(stdout.readline())
        bot = Bot(pid, self._folder / f"{pid}.jsonl")
        self.bots.append(bot)
        return bot

    def router(self) -> BillingRouter:
        return nursery.new_router(self._settings)

    def trouble(self, chance: random.Random) -> None:
        """Let one of the next requests go wrong."""
        chosen = dict(chance.choice(_FAULTS))
        self.world.faults.add(Fault(**chosen, match="POST *", skip=chance.randrange(40)))

    def close(self) -> None:
        for bot in self.bots:
            bot.send(signal.SIGKILL)
        stdin = self._nursery.stdin
        assert stdin is not None
        stdin.close()
        self._nursery.wait(PATIENCE)
        assert self._nursery.stdout is not None
        self._nursery.stdout.close()
        self.database.close()
        self._no_waiting.dispose()

    # -- afterwards -----------------------------------------------------------------------------

    def settle(self) -> None:
        """Recover until nothing is in doubt any more."""
        self.world.faults.clear()
        router = self.router()

        def settled() -> bool:
            router.recover_operations()
            return {row["state"] for row in self.rows()} <= _SETTLED

        until(settled)
        router.close()

    def unlocked(self) -> bool:
        """Say whether nobody stands still with a lock in hand."""
        try:
            with self._no_waiting.begin() as connection:
                for table in (operations, heads):
                    connection.execute(select(table).with_for_update(nowait=True))
        except DBAPIError:
            return False
        return True

    def rows(self) -> list[dict[str, Any]]:
        with self.database.read() as connection:
            return [dict(row) for row in connection.execute(select(operations)).mappings()]

    def violations(self) -> list[str]:
        """Return everything that is not as it has to be."""
        rows = {row["operation_id"]: row for row in self.rows()}
        found: dict[str, list[Effect]] = defaultdict(list)
        for effect in effects(self.world):
            if effect.operation_id is not None:
                found[effect.operation_id].append(effect)
        told = [line for bot in self.bots for line in bot.lines() if "operation_id" in line]
        return [
            *(f"nothing tells of {effects_}" for id_, effects_ in found.items() if id_ not in rows),
            *_doubled(found),
            *_misrecorded(rows, found, self._booked()),
            *_untrue(told, found),
            *(f"{what} of {id_} is left payable" for what, id_ in payable(self.world)),
            *(f"more was given back of {id_} than collected" for id_ in overpaid_back(self.world)),
            *(str(broken) for broken in StripeLedger(self.database).verify().broken),
        ]

    def _booked(self) -> Counter[str]:
        booked: Counter[str] = Counter()
        with self.database.read() as connection:
            query = select(ledger.c.operation_id, ledger.c.amount_minor)
            for operation_id, minor in connection.execute(query):
                booked[operation_id] += minor or 0
        return booked


def _impatient(url: str) -> Engine:
    """Return connections that do not wait for anybody's lock."""
    if not url.startswith("sqlite"):
        return create_engine(url)
    engine = create_engine(url, connect_args={"timeout": 0})
    event.listen(engine, "connect", lambda made, _: setattr(made, "isolation_level", None))
    event.listen(engine, "begin", lambda made: made.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


def _doubled(found: dict[str, list[Effect]]) -> Iterator[str]:
    for operation_id, effects_ in found.items():
        kinds = Counter(effect.kind for effect in effects_)
        if any(number > 1 for number in kinds.values()):
            yield f"{operation_id} has had more than one effect: {effects_}"


def _misrecorded(
    rows: dict[str, dict[str, Any]], found: dict[str, list[Effect]], booked: Counter[str]
) -> Iterator[str]:
    for operation_id, row in rows.items():
        happened, succeeded = found.get(operation_id, []), row["state"] == "succeeded"
        if succeeded != bool(happened):
            yield f"{operation_id} is {row['state']}, and there is {happened}"
        moved = sum(effect.minor for effect in happened)
        if moved != booked[operation_id]:
            yield f"{operation_id} is booked with {booked[operation_id]}, but moved {moved}"


def _untrue(told: list[dict[str, Any]], found: dict[str, list[Effect]]) -> Iterator[str]:
    """What callers were told. A call with a key may have succeeded for another since."""
    for line in told:
        happened = found.get(line["operation_id"] or "", [])
        moved = sum(effect.minor for effect in happened)
        if line.get("paid") and line["minor"] != moved:
            yield f"{line} was told, but {moved} was moved"
        if line.get("state") == "succeeded" and not happened:
            yield f"{line} was told, but nothing happened"
        if line.get("money") == "not_moved" and line["key"] is None and happened:
            yield f"{line} was told, but there is {happened}"


@contextmanager
def kill_bench(folder: Path, url: str, recovery: str = IMPATIENT) -> Iterator[KillBench]:
    """Serve a furnished world, and end everything that was started.

    `recovery` is that section of the routing file.
    """
    folder.joinpath("routing.yaml").write_text(f"recovery: {recovery}\n{ROUTING}")
    with serving(_furnished()) as server:
        bench = KillBench(folder, url, server)
        try:
            yield bench
        finally:
            bench.close()


def _furnished() -> World:
    world = real_time_world()
    world.add_price("price_once", product="prod_1", unit_amount=1000)
    world.add_price("price_monthly", product="prod_1", unit_amount=500, interval="month")
    for customer, outcome in CUSTOMERS.items():
        world.add_customer(customer, default_payment_method=f"pm_of_{customer}")
        world.set_outcome(f"pm_of_{customer}", outcome)
    return world


def _bill(world: World) -> str:
    """A payment that was made before, to be refunded bit by bit."""
    body = (
        "amount=100000&currency=usd&customer=cus_0&confirm=true&off_session=true"
        "&payment_method=pm_of_cus_0&automatic_payment_methods[enabled]=true"
        "&automatic_payment_methods[allow_redirects]=never"
    )
    headers = {"Authorization": f"Bearer {SANDBOX_SECRET_KEY}"}
    sent = HttpRequest.to("POST", "/v1/payment_intents", headers, body)
    return str(world.handle(sent).json()["id"])
