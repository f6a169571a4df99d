"""What is observed, and its way to OpenTelemetry.

Its API is an extra, and does nothing without an SDK.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from importlib.util import find_spec
from typing import TYPE_CHECKING

from ..locks import LATE_IMPORTS, late
from ..ports import CallDetails, Event, Observer, RequestDetails

if TYPE_CHECKING:
    from .observer import Telemetry

__all__ = ["CallDetails", "Event", "Observer", "RequestDetails", "Telemetry", "telemetry"]

_log = logging.getLogger(__name__)


def telemetry(given: Iterable[Observer] = ()) -> tuple[Observer, ...]:
    """Return the observer for the process's own providers; () if OpenTelemetry is not installed,
    or if a host has `given` one with providers of its own. One that is broken is logged."""
    try:
        with LATE_IMPORTS:
            if not _is_installed():
                return ()
            from .observer import Telemetry  # noqa: PLC0415 - an extra

        return () if any(isinstance(one, Telemetry) for one in given) else (Telemetry(),)
    except Exception as error:  # noqa: BLE001 - a host's own version of it must not stop payments
        _log.warning(
            "OpenTelemetry cannot be used (%s: %s), so there are no spans and metrics. Install "
            "stripe-billing-router[otel].",
            type(error).__name__,
            error,
        )
        return ()


def _is_installed() -> bool:
    """Other distributions share the name `opentelemetry`; the API is the one that has `trace`."""
    try:
        return find_spec("opentelemetry.trace") is not None
    except (ImportError, ValueError):
        return False


__getattr__ = late(__name__, {".observer": "Telemetry"})  # which needs an extra
