"""A span for each call of a verb, within whatever span the host is in, and one for each request."""

from __future__ import annotations

from contextvars import Token

from opentelemetry import context
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, set_span_in_context

from ..ports import CallDetails, Event, RequestDetails
from .attributes import Attributes, failed, of_call, of_request

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
