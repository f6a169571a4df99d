"""What all schedules of a run share: a ledger that is put back for each, and a routing file."""

from __future__ import annotations

import logging
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import stripe
from sqlalchemy import event

from stripe_billing_router.bootstrap import all_verbs, assembly, installed, routing_file
from stripe_billing_router.engine import SystemClock
from stripe_billing_router.master_account import STRIPE_MASTER_ACCOUNT_ID
from stripe_billing_router.ports import Clock
from stripe_billing_router.sandbox import SANDBOX_API_BASE
from stripe_billing_router.store import SqlStore, codec
from stripe_billing_router.store.database import Database

ROUTING = """
recovery: {in_progress_wait: 0.5}
stripe:
  default:
    finance:
      bot: {product_id: prod_1, price_id: price_once, customer_id: cus_0}
      other: {product_id: prod_1, price_id: price_once, customer_id: cus_0}
"""

Snapshot = sqlite3.Connection
"""A copy of a ledger, in memory."""

_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it

stripe.enable_telemetry = False


class HostClock:
    """The clock of the host that keeps the ledger: the world's, wrong by `wrong_ms`."""

    def __init__(self) -> None:
        self.source: Clock = SystemClock()
        self.wrong_ms = 0

    def now_ms(self) -> int:
        return self.source.now_ms() + self.wrong_ms

    def elapsed(self) -> float:
        return self.source.elapsed()

    def sleep(self, seconds: float) -> None:
        self.source.sleep(seconds)


class Bed:
    """A ledger in a file that is never synchronised: power losses are played by the schedules."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "routing.yaml"
        self.config.write_text(ROUTING)
        self._path = folder / "ledger.db"
        self._path.touch()
        self.url = f"sqlite:///{self._path}"
        self.journal = folder / "finance_logs" / "stripe_ledger.jsonl"
        self.journal_held = False
        self.holders: dict[Path, Any] = {}
        self.clock = HostClock()
        self._make_tables()
        self.database = Database(self.url, self.clock)
        event.listen(self.database.engine, "connect", _unsynchronised)
        self.rows = sqlite3.connect(self._path, isolation_level=None)
        self.rows.row_factory = sqlite3.Row
        self._empty = self.snapshot()

    def reset(self) -> None:
        """Put the empty ledger back."""
        self.clock.wrong_ms = 0
        self.restore(self._empty)
        shutil.rmtree(self.journal.parent, ignore_errors=True)
        self.journal_held = False
        self.holders.clear()

    def snapshot(self) -> Snapshot:
        copy = sqlite3.connect(":memory:")
        self.rows.backup(copy)
        return copy

    def restore(self, snapshot: Snapshot) -> None:
        snapshot.backup(self.rows)

    def lose(self) -> None:
        """Lose every row, as if the file had been lost."""
        self.restore(self._empty)

    def close(self) -> None:
        self._empty.close()
        self.rows.close()
        self.database.engine.dispose()

    def _make_tables(self) -> None:
        store = SqlStore(
            self.url,
            SystemClock(),
            account_id=STRIPE_MASTER_ACCOUNT_ID,
            api_base=SANDBOX_API_BASE,
            domains=installed(),
            verbs=all_verbs(),
        )
        store.operation("none")
        store.close()


def _unsynchronised(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA synchronous=OFF")


@contextmanager
def new_bed() -> Iterator[Bed]:
    """Make a bed, in memory where the system has a file system for that."""
    folder = Path(tempfile.mkdtemp(prefix="simulation-", dir=_MEMORY if _MEMORY.is_dir() else None))
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)  # the library tells of every fault that is played
    try:
        with closing(Bed(folder)) as bed, _faster():
            yield bed
    finally:
        logging.disable(before)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _faster() -> Iterator[None]:
    """Spare thousands of schedules what changes nothing: the same file read again, log lines that
    nobody sees, copies of what is only written down."""
    with (
        patch.object(assembly, "routing_file", cache(routing_file)),
        patch("stripe._api_requestor.log_debug", _silent),
        patch("stripe._api_requestor.log_info", _silent),
        patch.object(codec, "asdict", _as_dict),
    ):
        yield


def _silent(*_: object, **__: object) -> None:
    """Say nothing."""


def _as_dict(value: Any) -> Any:
    if not is_dataclass(value):
        return value
    return {field.name: _as_dict(getattr(value, field.name)) for field in fields(value)}
