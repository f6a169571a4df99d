"""The observer that tells OpenTelemetry, in spans and metrics; names are its own if it has some."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import Token
from typing import Any, Final

from opentelemetry import context, metrics, trace
from opentelemetry.metrics import Meter
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, set_span_in_context

from ..models import OperationState
from ..ports import CallDetails, Event, RequestDetails

Attributes = Mapping[str, str | int | bool]

_OURS = "stripe_billing_router."


def of_call(call: CallDetails) -> Attributes:
    """Return what a span says of a call: no amounts, for traces are read by many."""
    return _known(
        {
            _OURS + "verb": call.verb,
            _OURS + "bot.id": None if call.bot is None else str(call.bot),
            _OURS + "region": call.region,
            _OURS + "operation.id": call.operation_id,
            _OURS + "state": call.state,
            _OURS + "money": call.money,
            _OURS + "reason": call.reason,
            _OURS + "requests": call.requests,
            _OURS + "retries": call.retries,
            _OURS + "replayed": call.replayed,
            "error.type": call.error,
        }
    )


def of_request(request: RequestDetails) -> Attributes:
    """Return what a span says of a request."""
    return _known(
        {
            **counted_request(request),
            "server.address": request.host,
            "http.request.resend_count": request.attempt - 1 or None,
            _OURS + "step": request.step,
            _OURS + "replayed": request.replayed or None,
            _OURS + "stripe.request_id": request.request_id,
        }
    )


def counted_call(call: CallDetails) -> Attributes:
    """Return what metrics tell calls apart by: few values, and no bot's name."""
    return _known(
        {_OURS + "verb": call.verb, _OURS + "state": call.state, "error.type": call.error}
    )


def counted_request(request: RequestDetails) -> Attributes:
    """Return what metrics tell requests apart by."""
    return _known(
        {
            "http.request.method": request.method.upper(),
            "url.template": request.template,
            "http.response.status_code": request.status,
            "error.type": failed(request),
        }
    )


def counted(**values: object) -> Attributes:
    """Return attributes with names of ours."""
    return _known({_OURS + name: value for name, value in values.items()})


def failed(request: RequestDetails) -> str | None:
    """Return what went wrong with a request: the status, or how it came to have none."""
    if request.kind is None:
        return "interrupted"
    if request.kind != "answered":
        return request.kind
    return str(request.status) if (request.status or 0) >= 400 else None


def _known(values: Mapping[str, Any]) -> Attributes:
    return {name: value for name, value in values.items() if value is not None}


_Key = tuple[str, int]


class Spans:
    """Begins and ends spans. What was not heard to begin does not end."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._open: dict[_Key, tuple[Span, Token[context.Context]]] = {}

    def hear(self, event: Event) -> None:
        call, request = event.call, event.request
        match event.name:
            case "call.began" if call is not None:
                self._begin(("call", call.number), f"stripe_billing_router {call.verb}")
            case "call.ended" if call is not None:
                self._end(("call", call.number), of_call(call), call.error)
            case "request.began" if request is not None:
                self._begin(_key(request), _name(request), SpanKind.CLIENT)
            case "request.ended" if request is not None:
                self._end(_key(request), of_request(request), failed(request))
            case _ if call is not None:
                self._add(event, call)

    def _begin(self, key: _Key, name: str, kind: SpanKind = SpanKind.INTERNAL) -> None:
        span = self._tracer.start_span(name, kind=kind)
        self._open[key] = span, context.attach(set_span_in_context(span))

    def _end(self, key: _Key, attributes: Attributes, error: str | None) -> None:
        span, token = self._open.pop(key, (None, None))
        if span is None or token is None:
            return
        try:
            context.detach(token)
            span.set_attributes(attributes)
            if error is not None:
                span.set_status(StatusCode.ERROR)
        finally:
            span.end()

    def _add(self, event: Event, call: CallDetails) -> None:
        """What happened during a call is an event of its span; its message may say too much."""
        span, _ = self._open.get(("call", call.number), (None, None))
        if span is not None:
            span.add_event(event.name)


def _key(request: RequestDetails) -> _Key:
    return "request", request.number


def _name(request: RequestDetails) -> str:
    return f"{request.method.upper()} {request.template}"


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


NAME: Final = "stripe_billing_router"
_FOLLOWED: Final = frozenset({"call.began", "request.began", "request.ended", "call.ended"})
_NOTHING: Final[frozenset[str]] = frozenset()
_OF_THE_API: Final = ("opentelemetry.trace", "opentelemetry.metrics")


class Telemetry:
    """A span for each call of a verb and each of its requests, and metrics of both.

    Without providers, those of the process are used, from when it has some: a host that has no
    OpenTelemetry SDK pays next to nothing.
    """

    def __init__(
        self,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
    ) -> None:
        self._is_given = tracer_provider is not None or meter_provider is not None
        self._spans = Spans(trace.get_tracer(NAME, tracer_provider=tracer_provider))
        self._instruments = Instruments(metrics.get_meter(NAME, meter_provider=meter_provider))

    @property
    def follows(self) -> frozenset[str]:
        """The points of a call that are told: none while nobody would hear of them."""
        return _FOLLOWED if self._is_given or _somebody_listens() else _NOTHING

    def notify(self, event: Event) -> None:
        """Hear of an event, as every observer does."""
        try:
            self._spans.hear(event)
        finally:
            self._instruments.hear(event)


def _somebody_listens() -> bool:
    """The API's own providers are those that do nothing."""
    providers = trace.get_tracer_provider(), metrics.get_meter_provider()
    return not all(type(one).__module__.startswith(_OF_THE_API) for one in providers)
