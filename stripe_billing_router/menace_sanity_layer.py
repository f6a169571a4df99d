"""Anomalies for people and for training: the default router's sanity layer, as functions.

Nothing here replaces a check: what must stop a call stops it inside the call.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .default import get_router
from .secrecy import discreet

if TYPE_CHECKING:
    from .models import Anomaly

__all__ = ["list_anomalies", "record_billing_event", "record_payment_anomaly"]


@discreet
def record_payment_anomaly(
    event_type: str,
    metadata: Mapping[str, Any],
    instruction: str | None = None,
    *,
    severity: float = 1.0,
    write_codex: bool = False,
    export_training: bool = False,
) -> Anomaly:
    """Record what should not have happened; see `SanityLayer.record_payment_anomaly`."""
    return get_router().sanity_layer.record_payment_anomaly(
        event_type,
        metadata,
        instruction,
        severity=severity,
        write_codex=write_codex,
        export_training=export_training,
    )


@discreet
def record_billing_event(
    event_type: str,
    metadata: Mapping[str, Any],
    instruction: str | None = None,
    *,
    severity: float = 1.0,
    write_codex: bool = False,
    export_training: bool = False,
) -> Anomaly:
    """Record what is worth knowing and no error; see `SanityLayer.record_billing_event`."""
    return get_router().sanity_layer.record_billing_event(
        event_type,
        metadata,
        instruction,
        severity=severity,
        write_codex=write_codex,
        export_training=export_training,
    )


@discreet
def list_anomalies(
    *,
    bot_id: str | None = None,
    event_type: str | None = None,
    min_severity: float = 0.0,
    limit: int = 100,
) -> tuple[Anomaly, ...]:
    """Return what was recorded, the newest first; see `SanityLayer.list_anomalies`."""
    return get_router().sanity_layer.list_anomalies(
        bot_id=bot_id, event_type=event_type, min_severity=min_severity, limit=limit
    )
