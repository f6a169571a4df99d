"""Many workers on one inbox, each a process of its own; what they work on are renewals."""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import stripe
from sqlalchemy import func, select
from stripe import WebhookSignature

from stripe_billing_router.client import BillingRouter
from stripe_billing_router.engine import SystemClock
from stripe_billing_router.models import (
    AppendEntry,
    BotId,
    CloseOperation,
    EntryDraft,
    OpenOperation,
    Operation,
    OperationState,
    Outcome,
    Step,
)
from stripe_billing_router.sandbox import SANDBOX_SECRET_KEY
from stripe_billing_router.store import migrate
from stripe_billing_router.store.database import Database
from stripe_billing_router.store.schema import inbox, ledger
from stripe_billing_router.webhooks import Webhooks
from stripe_billing_router.webhooks.working import Worker
from tests.integration.webhooks.webhooks_bench import ROUTING, SECRET

AMOUNT = 500
BOTS = 32

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload([__name__])


class Crowd:
    """A database with subscriptions of many bots, and workers that are started on it."""

    def __init__(self, folder: Path, url: str, lease_seconds: float = 60.0) -> None:
        folder.joinpath("routing.yaml").write_text(ROUTING)
        self._settings = (str(folder), url, lease_seconds)
        self._folder = folder
        self._delivered = 0
        database = Database(url, SystemClock())
        migrate.upgrade(database)
        database.close()
        self.router = new_router(folder, url)
        self.webhooks = Webhooks(self.router)
        for number in range(BOTS):
            self._subscribe(number)

    def deliver(self, number: int) -> list[float]:
        """Deliver so many renewals; return the seconds that each took."""
        took = []
        for _ in range(number):
            body = json.dumps(renewal(self._delivered))
            self._delivered += 1
            header = WebhookSignature.generate_signature_header(body, SECRET)
            began = time.perf_counter()
            self.webhooks.receive(body.encode(), header)
            took.append(time.perf_counter() - began)
        return took

    def start(self, *, forever: bool = False) -> BaseProcess:
        """Start a worker; it ends when nothing is left to do, unless it works forever."""
        worker = processes.Process(target=work, args=(*self._settings, forever), daemon=True)
        worker.start()
        return worker

    def handled(self) -> list[str]:
        """What the host's handlers were called with, by all workers, the killed ones included."""
        return [name for path in self._heard_by() for name in path.read_text().split()]

    def heard(self) -> int:
        """How many bytes handlers have written so far: it grows with every call."""
        return sum(path.stat().st_size for path in self._heard_by())

    def took(self) -> list[float]:
        """The seconds that each event took, of all workers that came to their end."""
        return [float(s) for path in self._folder.glob("took-*") for s in path.read_text().split()]

    def entered(self) -> dict[str, int]:
        """How many ledger entries there are of each renewal."""
        with self.router.store._sql._database().read() as connection:
            query = select(ledger.c.id, func.count()).where(ledger.c.status == "paid")
            return {row[0]: row[1] for row in connection.execute(query.group_by(ledger.c.id))}

    def states(self) -> dict[str, int]:
        with self.router.store._sql._database().read() as connection:
            query = select(inbox.c.state, func.count()).group_by(inbox.c.state)
            return {row[0]: row[1] for row in connection.execute(query)}

    def close(self) -> None:
        self.router.close()

    def _heard_by(self) -> Iterator[Path]:
        return self._folder.glob("handled-*")

    def _subscribe(self, number: int) -> None:
        outcome = Outcome(
            OperationState.SUCCEEDED, f"sub_{number}", "active", AMOUNT, "usd", True, {}
        )
        entry = EntryDraft(
            id=f"sub_{number}",
            action_type="subscription",
            amount_minor=AMOUNT,
            currency="usd",
            timestamp_ms=1,
            user_email=None,
            bot_id=f"finance:bot{number}",
            destination_account=None,
            raw_event={},
            error=False,
            operation_id=f"op_{number}",
            status="succeeded",
        )
        opened = OpenOperation(subscription(number), "token", 60_000, "nobody")
        closed = CloseOperation(f"op_{number}", "token", OperationState.SUCCEEDED, outcome)
        self.router.store.commit(opened, closed, AppendEntry(entry))


def subscription(number: int) -> Operation:
    step = Step("subscription", "post", "/v1/subscriptions", {}, "subscription")
    return Operation(
        operation_id=f"op_{number}",
        bot=BotId("stripe", "finance", f"bot{number}"),
        region="default",
        verb="create_subscription",
        idempotency_key=f"key-{number}",
        input_hash=f"{number}",
        effect_hash=f"{number}",
        state=OperationState.PENDING,
        steps=(step,),
        api_version="2026-10-28.endive",
        account_id="acct_1",
        key_fingerprint="sha256:0",
        amount_minor=AMOUNT,
        currency="usd",
        customer_id="cus_one",
        user_email=None,
        arguments={},
    )


def renewal(number: int) -> dict[str, Any]:
    """An event as Stripe sends it for the later invoice of a subscription."""
    bot = number % BOTS
    details = {"subscription": f"sub_{bot}", "metadata": {"operation_id": f"op_{bot}"}}
    invoice = {
        "id": f"in_{number}",
        "object": "invoice",
        "status": "paid",
        "billing_reason": "subscription_cycle",
        "amount_paid": AMOUNT,
        "attempt_count": 1,
        "currency": "usd",
        "metadata": {},
        "parent": {"type": "subscription_details", "subscription_details": details},
    }
    return {
        "id": f"evt_{number}",
        "object": "event",
        "api_version": "2026-10-28.endive",
        "created": 1793000000,
        "data": {"object": invoice},
        "livemode": True,
        "type": "invoice.paid",
    }


def new_router(folder: Path, url: str) -> BillingRouter:
    """A router that has no Stripe: none of this needs one."""
    stripe.enable_telemetry = False
    return BillingRouter(
        folder / "routing.yaml",
        secret_key=SANDBOX_SECRET_KEY,
        ledger_url=url,
        api_base="http://127.0.0.1:9",
        environ={"STRIPE_WEBHOOK_SECRET": SECRET},
        recover_at_start=False,
    )


def work(folder: str, url: str, lease_seconds: float, forever: bool) -> None:
    """The life of a worker: what its handler is called with is in a file before it returns."""
    router = new_router(Path(folder), url)
    webhooks = Webhooks(router, lease_seconds=lease_seconds)
    took = _timed()
    with Path(folder, f"handled-{time.time_ns()}").open("a", buffering=1) as handled:
        webhooks.on("invoice.paid")(lambda event: handled.write(f"{event.id}\n"))
        while (done := webhooks.process_pending(10).total) or forever:
            if not done:
                time.sleep(0.02)
    Path(folder, f"took-{time.time_ns()}").write_text("".join(f"{s}\n" for s in took))
    router.close()


def _timed() -> list[float]:
    """Keep the seconds that each event takes this process."""
    took: list[float] = []
    original = Worker._work

    def timed(worker: Worker, event: Any, token: str) -> str:
        began = time.perf_counter()
        done = original(worker, event, token)
        took.append(time.perf_counter() - began)
        return done

    Worker._work = timed  # type: ignore[method-assign, assignment]
    return took


@contextmanager
def crowd(folder: Path, url: str, lease_seconds: float = 60.0) -> Iterator[Crowd]:
    made = Crowd(folder, url, lease_seconds)
    try:
        yield made
    finally:
        made.close()
