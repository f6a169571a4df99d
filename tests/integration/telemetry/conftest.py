"""A sandbox that is observed by OpenTelemetry's own SDK, in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from stripe_billing_router.client import BillingRouter
from stripe_billing_router.sandbox import Fault, World
from stripe_billing_router.telemetry import Telemetry
from stripe_billing_router.testing import Sandbox, sandbox

OURS = "stripe_billing_router."
ROUTING = """
stripe:
  default:
    finance:
      bot:
        product_id: prod_1
        price_id: price_1
        customer_id: cus_Secret7Customer
        user_email: planted.person@example.org
policies:
  rules:
    small: {match: {bot_name: bot}, largest: {usd: 500}}
    asks: {match: {bot_name: bot}, approval_above: {usd: 400}}
"""


@dataclass
class Seen:
    """What was exported, and the router that it is about."""

    box: Sandbox
    exporter: InMemorySpanExporter
    reader: InMemoryMetricReader
    tracers: TracerProvider

    @property
    def router(self) -> BillingRouter:
        return self.box.router

    @property
    def world(self) -> World:
        return self.box.world

    def fault(self, kind: Any, **settings: Any) -> None:
        self.world.faults.add(Fault(kind, match="POST /v1/payment_intents", **settings))

    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    def call(self) -> ReadableSpan:
        """The span of the last call."""
        return [span for span in self.spans() if span.name.startswith("stripe_billing_router ")][-1]

    def requests(self) -> list[ReadableSpan]:
        """The spans of the last call's requests, in order."""
        number = self.call().get_span_context()
        assert number is not None
        return [s for s in self.spans() if s.parent and s.parent.span_id == number.span_id]

    def counted(self, name: str) -> dict[tuple[Any, ...], int]:
        """A counter's values by what tells them apart."""
        points = self.points(name)
        return {tuple(point.attributes.values()): point.value for point in points}

    def points(self, name: str) -> list[Any]:
        data = self.reader.get_metrics_data()
        metrics = [] if data is None else data.resource_metrics[0].scope_metrics[0].metrics
        return [p for m in metrics if m.name == OURS + name for p in m.data.data_points]


def ours(span: ReadableSpan) -> Mapping[str, Any]:
    """A span's attributes of ours, without their prefix."""
    found = span.attributes or {}
    return {name.removeprefix(OURS): value for name, value in found.items()}


@pytest.fixture
def seen(tmp_path: Path) -> Iterator[Seen]:
    """A bot's sandbox that has checked its account and its customer's card already."""
    path = tmp_path / "routing.yaml"
    path.write_text(ROUTING)
    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracers = TracerProvider(shutdown_on_exit=False)
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    meters = MeterProvider([reader], shutdown_on_exit=False)
    with sandbox(path, observers=[Telemetry(tracers, meters)]) as box:
        box.router.charge("finance:bot", "1.00")
        exporter.clear()
        yield Seen(box, exporter, reader, tracers)
    meters.shutdown()
    tracers.shutdown()
