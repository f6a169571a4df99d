"""Nothing that is exported or logged names a customer, and nothing that observes can break."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stripe_billing_router.client import BillingRouter
from stripe_billing_router.errors import BillingError
from stripe_billing_router.ports import Event
from stripe_billing_router.sandbox import SANDBOX_SECRET_KEY
from stripe_billing_router.testing import SANDBOX_PUBLIC_KEY, sandbox
from tests.integration.telemetry.conftest import ROUTING, Seen

BOT = "finance:bot"
CUSTOMER = "cus_Secret7Customer"
PLANTED = (
    CUSTOMER,
    "planted.person",
    "other.person",
    "Mx Planted",
    "a private description",
    "private metadata",
    "+15550100",
    "order-of-planted",
    SANDBOX_SECRET_KEY,
    SANDBOX_PUBLIC_KEY,
    "_secret_",
)
"""What may be in no exported or logged field; the last one is part of every client secret."""


def _a_day(router: BillingRouter, card: str) -> None:
    said = {"description": "a private description", "metadata": {"note": "private metadata"}}
    keyed = {"idempotency_key": "order-of-planted"}
    calls: list[Any] = [
        lambda: router.charge(BOT, "5.00", **said, **keyed),  # type: ignore[arg-type]
        lambda: router.charge(BOT, "5.00", **said, **keyed),  # type: ignore[arg-type]
        lambda: router.charge(BOT, customer_id=CUSTOMER, metadata=said["metadata"]),  # type: ignore[arg-type]
        lambda: router.charge(BOT, "6.00", payment_method_id=card, **said),  # type: ignore[arg-type]
        lambda: router.charge(BOT, "7.00", on_session=True, **said),  # type: ignore[arg-type]
        lambda: router.charge(BOT, "9000.00", **said),  # type: ignore[arg-type]
        lambda: router.charge("planted.person@example.org", "5.00"),
        lambda: router.charge(BOT, "5.00", overrides={"planted.person": "Mx Planted"}),
        lambda: router.create_customer(
            BOT, {"email": "other.person@example.org", "name": "Mx Planted", "phone": "+15550100"}
        ),
        lambda: router.create_checkout_session(BOT, [{"price": "price_1", "quantity": 1}]),
        lambda: router.get_balance(BOT),
        lambda: router.cancel("planted.person"),
    ]
    for call in calls:
        try:
            call()
        except BillingError:
            continue


def test_no_field_names_a_customer(seen: Seen, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="stripe_billing_router")
    card = seen.world.add_payment_method(customer=CUSTOMER, outcome="declined:stolen_card")
    _a_day(seen.router, card)
    spans = [span.to_json() for span in seen.spans()]
    metrics = seen.reader.get_metrics_data()
    assert metrics is not None
    records = [json.dumps(vars(record), default=str) for record in caplog.records]
    assert len(spans) > 20
    assert sum('"call.ended"' in record for record in records) == 12
    exported = "\n".join([*spans, metrics.to_json(), *records, caplog.text])
    assert [planted for planted in PLANTED if planted in exported] == []


def test_an_observer_that_raises_breaks_nothing(tmp_path: Path) -> None:
    class Broken:
        heard = 0

        @property
        def follows(self) -> frozenset[str]:
            return frozenset({"call.began", "request.began", "request.ended", "call.ended"})

        def notify(self, event: Event) -> None:
            self.heard += 1
            raise SystemExit(event.name)

    class Worse(Broken):
        @property
        def follows(self) -> frozenset[str]:
            raise ValueError

    path = tmp_path / "routing.yaml"
    path.write_text(ROUTING)
    broken, worse = Broken(), Worse()
    with sandbox(path, observers=[broken, worse]) as box:
        assert box.router.charge(BOT, "5.00").paid
    assert (broken.heard >= 5, worse.heard) == (True, 1)


def test_without_anybody_following_no_call_is_described(tmp_path: Path) -> None:
    class Deaf:
        follows = ()

        def __init__(self) -> None:
            self.heard: list[str] = []

        def notify(self, event: Event) -> None:
            self.heard.append(event.name)

    path = tmp_path / "routing.yaml"
    path.write_text(ROUTING)
    deaf = Deaf()
    with sandbox(path, observers=[deaf]) as box:
        box.router.charge(BOT, "5.00")
    assert deaf.heard == ["operation.closed"]


ONE_CHARGE = """
from opentelemetry import trace
{before}
from stripe_billing_router import charge
from stripe_billing_router.testing import sandbox
with sandbox("routing.yaml"):
    charge("finance:bot", "5.00")
{after}
"""
SDK = """
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
"""


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (SDK, "print(len(exporter.get_finished_spans()) > 1)", "True\n"),
        ("", "print(type(trace.get_tracer_provider()).__name__)", "ProxyTracerProvider\n"),
    ],
    ids=["the process has an SDK", "it has none"],
)
def test_the_processes_own_sdk_is_used(tmp_path: Path, before: str, after: str, said: str) -> None:
    (tmp_path / "routing.yaml").write_text(ROUTING)
    code = ONE_CHARGE.format(before=before, after=after)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert (done.stdout, done.stderr, done.returncode) == (said, "", 0)


@pytest.mark.parametrize(
    ("missing", "said"),
    [("opentelemetry", ""), ("opentelemetry.trace", ""), ("opentelemetry.metrics", "[otel]")],
    ids=["nothing of it is there", "another package of its name is", "it is broken"],
)
def test_opentelemetry_is_not_needed(tmp_path: Path, missing: str, said: str) -> None:
    (tmp_path / "routing.yaml").write_text(ROUTING)
    code = ONE_CHARGE.format(before="", after="print('charged')")
    hidden = f"import sys; sys.modules[{missing!r}] = None"
    code = code.replace("from opentelemetry import trace", hidden)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert (done.stdout, done.returncode) == ("charged\n", 0)
    assert said in done.stderr
    assert bool(said) == bool(done.stderr)
