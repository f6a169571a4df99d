"""Metrics: how many calls and requests, how they ended, how long they took, and how much money."""

from __future__ import annotations

from typing import Final

from opentelemetry.metrics import Meter

from ..models import OperationState
from ..ports import CallDetails, Event, RequestDetails
from .attributes import counted, counted_call, counted_request

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_RECORDED: Final = frozenset({"operation.closed", "operation.proven"})


class Instruments:
    """The instruments of one meter."""

    def __init__(self, meter: Meter) -> None:
        ours = "stripe_billing_router"
        self._calls = meter.create_counter(f"{ours}.calls", "{call}", "Calls of verbs")
        self._call_seconds = meter.create_histogram(
            f"{ours}.call.duration",
            "s",
            "How long calls of verbs take",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._requests = meter.create_counter(f"{ours}.requests", "{request}", "Requests to Stripe")
        self._request_seconds = meter.create_histogram(
            f"{ours}.request.duration",
            "s",
            "How long requests to Stripe take",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._money = meter.create_counter(f"{ours}.money", "{minor_unit}", "What succeeded")
        self._events = meter.create_counter(f"{ours}.events", "{event}", "What else happened")

    def hear(self, event: Event) -> None:
        call, request = event.call, event.request
        match event.name:
            case "call.ended" if call is not None:
                self._count_call(call)
            case "request.ended" if request is not None:
                self._count_request(request, event.verb)
            case "call.began" | "request.began":
                return
            case _:
                self._events.add(1, counted(event=event.name, severity=event.severity))
                self._count_money(event)

    def _count_call(self, call: CallDetails) -> None:
        told = counted_call(call)
        self._calls.add(1, told)
        self._call_seconds.record(call.duration, told)

    def _count_request(self, request: RequestDetails, verb: str | None) -> None:
        told = {**counted_request(request), **counted(verb=verb)}
        self._requests.add(1, told)
        self._request_seconds.record(request.duration, told)

    def _count_money(self, event: Event) -> None:
        """Once for each operation that succeeds, whoever found out."""
        outcome = event.outcome
        if event.name not in _RECORDED or outcome is None or outcome.amount_minor is None:
            return
        if outcome.state is OperationState.SUCCEEDED:
            told = counted(verb=event.verb, currency=outcome.currency)
            self._money.add(outcome.amount_minor, told)
