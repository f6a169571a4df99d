"""Anomalies as training examples: `training_data/stripe_anomalies.jsonl`, without personal data.

Each line is `{"source": …, "content": "<JSON text of the anomaly>", "timestamp": <seconds>}`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from filelock import FileLock

from .errors import ConfigurationError
from .fingerprint import canonical_json
from .json_lines import JsonLines
from .redaction import without_secrets

TRAINING_FILE: Final = "training_data/stripe_anomalies.jsonl"
"""Below the project's home."""

_PART: Final = r"""[^\s@"'<>(),;:\\\[\]]"""
_EMAIL: Final = re.compile(rf"{_PART}+@{_PART}*[^\s@\"'<>(),;:\\\[\].]")
_PERSONAL: Final = frozenset(
    "name phone address billing_details shipping customer_details customer_name "
    "customer_phone customer_address customer_shipping ip ip_address tax_ids individual".split()
)


@dataclass(frozen=True, slots=True)
class TrainingExample:
    """One line. `timestamp` is in seconds since the epoch."""

    source: str
    anomaly: Mapping[str, Any]
    timestamp: float


class TrainingFile:
    """Appends examples, each anomaly once: one `fingerprint` of one source is one anomaly.

    An anomaly without a fingerprint is known by its content. Several processes may write, as
    long as each has a source of its own.
    """

    def __init__(self, path: Path) -> None:
        self._lines = JsonLines(path)
        path.parent.mkdir(0o700, parents=True, exist_ok=True)
        self._lock = FileLock(f"{path}.lock", mode=0o600)
        with self._lock:
            self._lines.repair()
        self._held = {_identity(known.source, known.anomaly) for known in load(path)}

    def append(self, source: str, anomaly: Mapping[str, Any], timestamp: int) -> bool:
        """Write the anomaly less secrets and personal data; False if it is there already."""
        safe = impersonal(without_secrets(anomaly))
        identity = _identity(source, safe)
        if identity in self._held:
            return False
        with self._lock:
            self._lines.append(_record(source, safe, timestamp))
        self._held.add(identity)
        return True


def example(source: str, anomaly: Mapping[str, Any], timestamp: float) -> dict[str, Any]:
    """Return the line of an anomaly, less secrets and personal data."""
    return _record(source, impersonal(without_secrets(anomaly)), timestamp)


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
    return TrainingExample(source, anomaly, timestamp)


def _anomaly(content: object) -> Mapping[str, Any] | None:
    try:
        found = json.loads(content) if isinstance(content, str) else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
