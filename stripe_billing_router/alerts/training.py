"""Anomalies of the sanity layer on their way to the training data."""

from __future__ import annotations

from pathlib import Path

from ..models import Anomaly
from ..training import example
from .json_lines import JsonLines

_SOURCE = "stripe_anomalies"


class TrainingExport:
    """Appends to the training file; each anomaly once, as the database claims it."""

    def __init__(self, path: Path) -> None:
        self._file = JsonLines(path)

    def append(self, anomaly: Anomaly) -> None:
        """Append one anomaly without personal data; OSError if that cannot be done."""
        content = {
            "event_type": anomaly.event_type,
            "severity": anomaly.severity,
            "bot_id": anomaly.bot_id,
            "instruction": anomaly.instruction,
            "metadata": dict(anomaly.metadata),
            "codex": anomaly.codex,
        }
        self._file.append(example(_SOURCE, content, anomaly.first_ms / 1000))
