"""Whatever the order of deliveries, operations and ledger end where in-order delivery ends.

More of it: `make deliveries`.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from stripe_billing_router.sandbox import DeliveryPlan
from tests.integration.webhooks.histories import HISTORIES, LONG, History
from tests.integration.webhooks.orders import Replay, differences, spread
from tests.integration.webhooks.webhooks_bench import BOT, SECRET, WebhooksBench, webhooks_bench

ORDERS = int(os.environ.get("DELIVERY_ORDERS", "2000"))

SPREAD = [
    (history, orders)
    for history, orders in zip(HISTORIES, spread(ORDERS), strict=True)
    if history not in LONG
]


@pytest.mark.parametrize(("history", "orders"), SPREAD, ids=lambda v: getattr(v, "__name__", ""))
def test_every_order_of_deliveries_ends_the_same(history: History, orders: int) -> None:
    assert differences(history, orders, seed=0) == []


def test_as_many_orders_are_tried_as_promised() -> None:
    assert sum(spread(2000)) == 2000
    assert min(spread(2000)) > 25


def test_a_delivery_that_went_missing_shows(tmp_path: Path) -> None:
    """The comparison is no comparison if it cannot fail."""
    replay = Replay(tmp_path, HISTORIES[0])
    expected = replay.in_order()
    assert not expected.unfinished
    assert set(expected.states.values()) == {"succeeded"}
    lost = replay.events.pop()
    assert replay.bench.world.get(lost)["type"] == "payment_intent.succeeded"
    replay.events = [
        e for e in replay.events if "succeeded" not in replay.bench.world.get(e)["type"]
    ]
    assert replay.in_some_order(random.Random(0)) != expected
    replay.close()


@pytest.mark.parametrize("seed", range(3))
def test_the_sandbox_s_own_deliveries_lead_there_too(tmp_path: Path, seed: int) -> None:
    """Duplicated, overtaken, late, dropped and repeated over days, while things go on happening."""
    plan = DeliveryPlan(seed, duplicate=0.3, shuffle=8, delay=600, drop=0.3, repeat=0.3)
    bench = webhooks_bench(tmp_path, f"sqlite:///{tmp_path}/ledger.db")
    endpoint = bench.world.add_webhook_endpoint(plan=plan)
    secrets = f"{SECRET},{bench.world.webhook_secret(endpoint)}"
    bench.close()
    bench = webhooks_bench_of(bench, secrets)
    for history in (HISTORIES[0], HISTORIES[2], HISTORIES[7], HISTORIES[9]):
        history(bench)
        bench.work()

    def receiver(payload: bytes, headers: dict[str, str]) -> int:
        bench.webhooks.receive(payload, headers["Stripe-Signature"])
        bench.webhooks.process_pending(2)
        return 200

    assert bench.world.deliver(endpoint, receiver) > 30
    bench.drain()
    assert bench.states().keys() <= {"processed", "superseded"}
    operations = bench.router.store.operations()
    assert {str(operation.state) for operation in operations} == {"succeeded"}
    assert bench.sums() == {
        ("charge", BOT): 500 + 700 + 500 + 500,
        ("refund", BOT): 0,
        ("anomaly", BOT): 50,
    }
    bench.close()


def webhooks_bench_of(bench: WebhooksBench, secrets: str) -> WebhooksBench:
    """The same world with a router that knows these secrets."""
    from tests.integration.verbs.verbs_bench import new_router

    url = f"sqlite:///{bench.folder}/ledger.db"
    environ = {"STRIPE_WEBHOOK_SECRET": secrets}
    bench.router = new_router(bench.folder, url, bench.world, bench.wire, environ=environ)
    return bench
