"""What people and training should learn from: anomalies, and what the host says about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from ..frozen import frozen


@frozen
class AnomalyDraft:
    """An anomaly before it is stored. Two with the same `fingerprint` are the same anomaly."""

    fingerprint: str
    event_type: str
    bot_id: str | None
    operation_id: str | None
    metadata: Mapping[str, Any]
    instruction: str | None
    severity: float
    codex: bool


@frozen
class Anomaly:
    """A row of `stripe_anomalies`. Times are milliseconds since the epoch.

    `count` says how often it was recorded from `first_ms` to `last_ms`; `severity` is the highest
    of these. `codex` flags it for training, `exported` says that training has it.
    """

    id: str
    fingerprint: str
    event_type: str
    bot_id: str | None
    operation_id: str | None
    metadata: Mapping[str, Any]
    instruction: str | None
    severity: float
    codex: bool
    exported: bool
    count: int
    first_ms: int
    last_ms: int


@frozen
class EventInstruction:
    """What the host says about one kind of event; None leaves it as it is."""

    instruction: str | None = None
    severity: float | None = None


@frozen
class BillingInstructions:
    """What the host says about events: `config/billing_instructions.yaml`.

    Alerts of at least `send_from` leave the house. Equal anomalies within `repeat_window` seconds
    of the first are counted.
    """

    send_from: float = 4.0
    repeat_window: float = 3600.0
    events: Mapping[str, EventInstruction] = field(default_factory=dict)
