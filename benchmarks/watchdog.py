"""How fast the watchdog matches Stripe with the ledger, and in how much memory.

    python -m benchmarks.watchdog                                    # SQLite, one million objects
    python -m benchmarks.watchdog --url postgresql+psycopg://… --objects 100000

Stripe's pages are made up as they are asked for; ledger and matching are real. The run is a process
of its own, so that its peak memory is only its own. On a server, use a database made for this.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from benchmarks.harness import Figure
from stripe_billing_router.bootstrap import all_verbs
from stripe_billing_router.engine import SystemClock
from stripe_billing_router.models import OverrideKey, Route, RouteKey
from stripe_billing_router.ports import Discrepancy, Page
from stripe_billing_router.sandbox import SANDBOX_API_BASE
from stripe_billing_router.store import SqlStore
from stripe_billing_router.store.schema import ledger, operations
from stripe_billing_router.stripe_watchdog.checks import CHECKS
from stripe_billing_router.stripe_watchdog.inspection import Inspection, Progress
from stripe_billing_router.stripe_watchdog.limits import DAY_MS, Limits

ACCOUNT = "acct_1Benchmark"
BOT = "finance:bot"
NOW_MS = 1_793_000_000_000
SINCE_MS = NOW_MS - 30 * DAY_MS
PER_PAGE = 100
BY_INVOICE, REFUNDED = 10, 20
"""One payment in so many goes by an invoice; one in so many is given back."""

PER_PAYMENT = 3 + 2 / BY_INVOICE + 2 / REFUNDED
"""Charge, payment intent, balance transaction; invoice and its payment; refund and its own."""


def name(prefix: str, number: int) -> str:
    """Return an id that looks as random as Stripe's."""
    return prefix + hashlib.blake2b(number.to_bytes(8), digest_size=12).hexdigest()


def created(number: int, payments: int) -> int:
    """Return when a payment was made, in seconds: the first is the newest."""
    return (NOW_MS - DAY_MS - number * (28 * DAY_MS) // payments) // 1000


def by_invoice(number: int) -> bool:
    return number % BY_INVOICE == 3


def refunded(number: int) -> bool:
    return number % REFUNDED == 7


@dataclass(frozen=True)
class Times:
    """Seconds of the clock on the wall, and of this process on a processor."""

    wall: float = 0.0
    processor: float = 0.0

    @classmethod
    def now(cls) -> Times:
        return cls(time.perf_counter(), time.process_time())

    def since(self, other: Times) -> Times:
        return Times(self.wall - other.wall, self.processor - other.processor)

    def and_(self, other: Times) -> Times:
        return Times(self.wall + other.wall, self.processor + other.processor)


@dataclass
class MadeUp:
    """A Stripe that has so many payments, and makes each page up when it is asked for."""

    payments: int
    times: Times = Times()
    objects: int = 0

    def discrepancy(self) -> Discrepancy | None:
        return None

    def now_ms(self) -> int:
        return NOW_MS

    def one(self, kind: str, object_id: str) -> Mapping[str, Any] | None:
        raise AssertionError(f"nothing is doubtful here, but {object_id} of {kind} was asked for")

    def page(self, kind: str, query: Mapping[str, Any], after: str | None = None) -> Page:
        begun = Times.now()
        make = _MAKERS.get(kind)
        start = int(after) if after else 0
        items: list[Mapping[str, Any]] = []
        number = start
        while make is not None and number < self.payments and len(items) < PER_PAGE:
            items += make(number, self.payments)
            number += 1
        self.objects += len(items)
        self.times = self.times.and_(Times.now().since(begun))
        more = make is not None and number < self.payments
        return Page(tuple(items), str(number) if more else None)


def _charges(number: int, payments: int) -> Iterator[dict[str, Any]]:
    yield {
        "id": name("ch_", number),
        "object": "charge",
        "created": created(number, payments),
        "status": "succeeded",
        "amount_captured": 1000 + number % 977,
        "currency": "usd",
        "payment_intent": name("pi_", number),
        "metadata": {} if by_invoice(number) else _stamp(number),
        "transfer_data": None,
        "on_behalf_of": None,
    }


def _intents(number: int, payments: int) -> Iterator[dict[str, Any]]:
    metadata = {} if by_invoice(number) else _stamp(number)
    yield {"id": name("pi_", number), "status": "succeeded", "metadata": metadata}


def _refunds(number: int, payments: int) -> Iterator[dict[str, Any]]:
    if refunded(number):
        yield {
            "id": name("re_", number),
            "created": created(number, payments),
            "status": "succeeded",
            "amount": 500,
            "currency": "usd",
            "payment_intent": name("pi_", number),
            "metadata": {"operation_id": name("rp_", number), "bot_id": BOT},
        }


def _invoices(number: int, payments: int) -> Iterator[dict[str, Any]]:
    if by_invoice(number):
        yield {
            "id": name("in_", number),
            "status": "paid",
            "metadata": _stamp(number),
            "billing_reason": "manual",
            "parent": None,
        }


def _invoice_payments(number: int, payments: int) -> Iterator[dict[str, Any]]:
    if by_invoice(number):
        payment = {"type": "payment_intent", "payment_intent": name("pi_", number)}
        yield {
            "id": name("inpay_", number),
            "invoice": name("in_", number),
            "payment": payment,
        }


def _transactions(number: int, payments: int) -> Iterator[dict[str, Any]]:
    amount = 1000 + number % 977
    yield _transaction("txn_", name("ch_", number), "charge", amount, number)
    if refunded(number):
        yield _transaction("txn_r", name("re_", number), "refund", -500, number)


def _transaction(
    prefix: str, source: str, category: str, amount: int, number: int
) -> dict[str, Any]:
    return {
        "id": name(prefix, number),
        "source": source,
        "reporting_category": category,
        "amount": amount,
        "currency": "usd",
        "exchange_rate": None,
    }


def _stamp(number: int) -> dict[str, str]:
    return {"operation_id": name("op_", number), "bot_id": BOT}


_MAKERS: Mapping[str, Callable[[int, int], Iterator[dict[str, Any]]]] = {
    "charges": _charges,
    "payment_intents": _intents,
    "refunds": _refunds,
    "invoices": _invoices,
    "invoice_payments": _invoice_payments,
    "balance_transactions": _transactions,
}


@dataclass
class Surroundings:
    """What a run needs of a router."""

    listings: MadeUp
    store: SqlStore
    routes: Mapping[RouteKey, Route] = field(default_factory=dict)
    overrides: Mapping[OverrideKey, Mapping[str, str]] = field(default_factory=dict)


def new_store(url: str) -> SqlStore:
    return SqlStore(
        url, SystemClock(), account_id=ACCOUNT, api_base=SANDBOX_API_BASE, verbs=all_verbs()
    )


def fill(url: str, payments: int, rows: int) -> None:
    """Write what the ledger has of the payments, and older entries up to so many rows."""
    store = new_store(url)
    store.upgrade()
    database = store._database()
    made = (_row(sequence, **entry) for sequence, entry in enumerate(_entries(payments, rows), 1))
    while batch := list(islice(made, 10_000)):
        with database.write() as connection:
            connection.execute(insert(ledger), batch)
            connection.execute(insert(operations), [_operation(row) for row in batch])
    if database.dialect.now_ms is not None:
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as direct:
            direct.exec_driver_sql("ANALYZE stripe_ledger")
    store.close()


def _entries(payments: int, rows: int) -> Iterator[dict[str, Any]]:
    written = 0
    for number in range(payments):
        at_ms = created(number, payments) * 1000 + 800
        paid = name("in_" if by_invoice(number) else "pi_", number)
        yield _entry(paid, "charge", 1000 + number % 977, at_ms, name("op_", number))
        written += 1
        if refunded(number):
            yield _entry(name("re_", number), "refund", 500, at_ms, name("rp_", number))
            written += 1
    for number in range(payments, payments + rows - written):
        at_ms = SINCE_MS - number * 1000
        yield _entry(name("pi_", number), "charge", 1000, at_ms, name("op_", number))


def _entry(stripe_id: str, kind: str, amount: int, at_ms: int, operation: str) -> dict[str, Any]:
    return {
        "id": stripe_id,
        "action_type": kind,
        "amount_minor": amount,
        "timestamp_ms": at_ms,
        "operation_id": operation,
    }


def _row(sequence: int, **entry: Any) -> dict[str, Any]:
    """Return a row. Its hashes are not looked at here: `ledger verify` has a time of its own."""
    return {
        "sequence": sequence,
        "currency": "usd",
        "bot_id": BOT,
        "destination_account": None,
        "raw_event_json": '{"object": "payment_intent", "status": "succeeded"}' + " " * 1500,
        "error": 0,
        "status": "succeeded",
        "stream": BOT,
        "stream_sequence": sequence,
        "salt": "0" * 32,
        "user_email_commitment": "0" * 64,
        "raw_event_commitment": "0" * 64,
        "previous_hash": "0" * 64,
        "entry_hash": "0" * 64,
        **entry,
    }


def _operation(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of the operation that an entry is of."""
    texts = "region input_hash effect_hash api_version account_id key_fingerprint".split()
    numbers = "generation skew_ms created_ms started_ms updated_ms lease_until_ms".split()
    return {
        **dict.fromkeys(texts, "x"),
        **dict.fromkeys(numbers, 0),
        "operation_id": entry["operation_id"],
        "bot_id": BOT,
        "verb": entry["action_type"],
        "state": "succeeded",
        "steps": "[]",
        "arguments": "{}",
        "outputs": "[]",
    }


def run(url: str, payments: int) -> None:
    """Inspect, and print what it took."""
    stripe, store = MadeUp(payments), new_store(url)
    only = frozenset(check.id for check in CHECKS) - {"ledger_tampered", "stale_operation"}
    limits = Limits(SINCE_MS, NOW_MS, approved_workflows=frozenset({BOT}), only=only)
    read = Times.now()
    begun = Times.now()

    def progress(step: Progress) -> None:
        nonlocal read
        if step.stage != "matching":
            read = Times.now()

    found = list(Inspection(Surroundings(stripe, store), limits, progress=progress).findings())
    ended = Times.now()
    store.close()
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"  {stripe.objects:,} objects of {payments:,} payments, {len(found)} findings")
    together = ended.since(begun).since(stripe.times)
    _tell("staging", read.since(begun).since(stripe.times), stripe.objects)
    _tell("matching", ended.since(read), stripe.objects)
    _tell("together", together, stripe.objects)
    print(f"  peak memory {megabytes:.0f} MB")
    assert not found, found[:3]
    print(json.dumps({"per_second": stripe.objects / together.wall, "megabytes": megabytes}))


def _tell(what: str, took: Times, objects: int) -> None:
    wall = f"{took.wall:7.1f} s  {objects / took.wall:9,.0f} objects/s"
    processor = f"{took.processor:.1f} s, {objects / took.processor:,.0f}/s"
    print(f"  {what:9}{wall}  (processor {processor})")


def figures(objects: int = 100_000) -> Iterator[Figure]:
    """Yield how many of Stripe's objects are matched in a second, and in how much memory."""
    with tempfile.TemporaryDirectory(prefix="watchdog-") as folder:
        url = f"sqlite:///{Path(folder) / 'ledger.db'}"
        fill(url, round(objects / PER_PAYMENT), objects)
        done = _inspect(url, objects, stdout=subprocess.PIPE)
    told = json.loads(done.stdout.splitlines()[-1])
    detail = f"{objects:,} objects, {objects:,} rows"
    yield Figure("watchdog, SQLite", told["per_second"], "objects/s", detail)
    yield Figure("watchdog, peak memory", told["megabytes"], "MB", detail)


def _inspect(url: str, objects: int, **how: Any) -> subprocess.CompletedProcess[str]:
    again = [sys.executable, "-m", "benchmarks.watchdog", "--inspect", "--url", url]
    return subprocess.run([*again, "--objects", str(objects)], check=True, text=True, **how)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", help="an empty database; a temporary SQLite file unless given")
    parser.add_argument("--objects", type=int, default=1_000_000, help="Stripe's objects")
    parser.add_argument("--rows", type=int, default=1_000_000, help="the ledger's rows")
    parser.add_argument("--inspect", action="store_true", help="the ledger is filled already")
    options = parser.parse_args()
    payments = round(options.objects / PER_PAYMENT)
    if options.inspect:
        run(options.url, payments)
        return
    with tempfile.TemporaryDirectory(prefix="watchdog-") as folder:
        url = options.url or f"sqlite:///{Path(folder) / 'ledger.db'}"
        begun = time.perf_counter()
        fill(url, payments, options.rows)
        seconds = time.perf_counter() - begun
        print(f"{url.partition(':')[0]}: {options.rows:,} rows in {seconds:.0f} s")
        _inspect(url, options.objects)


if __name__ == "__main__":
    main()
