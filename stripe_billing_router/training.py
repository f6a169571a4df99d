"""Anomalies as training examples: `training_data/stripe_anomalies.jsonl`, without personal data.

Each line is `{"source": …, "content": "<JSON text of the anomaly>", "timestamp": <seconds>}`, and
each anomaly has a `type`, whoever wrote it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from .errors import ConfigurationError
from .frozen import frozen
from .hashing import canonical_json
from .json_lines import JsonLines
from .locks import file_lock
from .models import Anomaly
from .redaction import without_secrets

SANITY_SOURCE: Final = "stripe_anomalies"
_LOCK_SECONDS: Final = 5.0

TRAINING_FILE: Final = "training_data/stripe_anomalies.jsonl"
"""Below the project's home."""

_PART: Final = r"""[^\s@"'<>(),;:\\\[\]]"""
_EMAIL: Final = re.compile(rf"{_PART}+@{_PART}*[^\s@\"'<>(),;:\\\[\].]")
_PERSONAL: Final = frozenset(
    "name phone address billing_details shipping customer_details customer_name "
    "customer_phone customer_address customer_shipping ip ip_address tax_ids individual".split()
)


@frozen
class TrainingExample:
    """One line. `timestamp` is in seconds since the epoch."""

    source: str
    anomaly: Mapping[str, Any]
    timestamp: float


class TrainingFile:
    """Appends examples, each anomaly once: one `fingerprint` of one source is one anomaly.

    An anomaly without a fingerprint is known by its content. Several processes may write. Making
    one reads nothing; OSError if the file cannot be written, or its lock not be had.
    """

    def __init__(self, path: Path) -> None:
        self._lines = JsonLines(path)
        self._held: set[bytes] = set()
        self._read = 0

    def append(self, source: str, anomaly: Mapping[str, Any], timestamp: float) -> bool:
        """Write the anomaly less secrets and personal data; False if it is there already."""
        safe = impersonal(without_secrets(anomaly))
        self._lines.path.parent.mkdir(0o700, parents=True, exist_ok=True)
        with file_lock(f"{self._lines.path}.lock", _LOCK_SECONDS):
            self._catch_up()
            if _identity(source, safe) in self._held:
                return False
            self._lines.append(_record(source, safe, timestamp))
        return True

    def export(self, anomaly: Anomaly) -> None:
        """Write an anomaly of the sanity layer, in the shape that the watchdog's have."""
        at = datetime.fromtimestamp(anomaly.first_ms / 1000, UTC)
        content = {
            "type": anomaly.event_type,
            "fingerprint": anomaly.fingerprint,
            "severity": anomaly.severity,
            "subject": anomaly.operation_id,
            "message": anomaly.instruction,
            "bot_id": anomaly.bot_id,
            "operation_id": anomaly.operation_id,
            "account_id": anomaly.metadata.get("account_id"),
            "amount_minor": None,
            "currency": None,
            "at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "details": dict(anomaly.metadata),
            "codex": anomaly.codex,
        }
        self.append(SANITY_SOURCE, content, anomaly.first_ms / 1000)

    def _catch_up(self) -> None:
        """Learn what has been written since, also by others, and mend what a crash cut off."""
        self._lines.repair()
        size = self._lines.size()
        if size < self._read:
            self._held, self._read = set(), 0
        for _, record in self._lines.records(self._read):
            known = None if record is None else _example(record)
            if known is not None:
                self._held.add(_identity(known.source, known.anomaly))
        self._read = size


def load(path: Path) -> Iterator[TrainingExample]:
    """Yield the examples of a file; ConfigurationError names a line that is none."""
    for number, record in JsonLines(path).records():
        found = None if record is None else _example(record)
        if found is None:
            raise ConfigurationError(
                f"Line {number} of {path} is no training example; remove it, or move the file away."
            )
        yield found


def impersonal(data: Any) -> Any:
    """Return a copy of JSON-like `data` without personal fields, and with e-mails as hashes."""
    if isinstance(data, Mapping):
        return {
            impersonal(str(name)): impersonal(value)
            for name, value in data.items()
            if name not in _PERSONAL
        }
    if isinstance(data, list | tuple):
        return [impersonal(item) for item in data]
    return _EMAIL.sub(_hashed, data) if isinstance(data, str) else data


def _record(source: str, safe: Any, timestamp: float) -> dict[str, Any]:
    return {"source": source, "content": canonical_json(safe), "timestamp": timestamp}


def _hashed(found: re.Match[str]) -> str:
    """The same address, in any case, always gives the same hash."""
    return "sha256:" + hashlib.sha256(found[0].lower().encode()).hexdigest()[:16]


def _identity(source: str, anomaly: Mapping[str, Any]) -> bytes:
    """A short digest: a file of a million lines is held in tens of megabytes."""
    what = anomaly.get("fingerprint") or canonical_json(anomaly)
    return hashlib.sha256(canonical_json([source, what]).encode()).digest()[:16]


def _example(record: Mapping[str, Any]) -> TrainingExample | None:
    source, content, timestamp = (record.get(n) for n in ("source", "content", "timestamp"))
    anomaly = _anomaly(content)
    if not isinstance(source, str) or anomaly is None or not isinstance(timestamp, int | float):
        return None
    if not isinstance(anomaly.get("type"), str):
        return None
    return TrainingExample(source, anomaly, timestamp)


def _anomaly(content: object) -> Mapping[str, Any] | None:
    try:
        found = json.loads(content) if isinstance(content, str) else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
