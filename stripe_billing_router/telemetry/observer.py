"""The observer that tells OpenTelemetry."""

from __future__ import annotations

from typing import Final

from opentelemetry import metrics, trace

from ..ports import Event
from .instruments import Instruments
from .spans import Spans

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
