"""The sanity layer as the place where findings are kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from .describing import described
from .findings import Finding

_MOST = 1000
"""Anomalies of one check that a run which was cut off may have recorded last."""


class Recorded(Protocol):
    """An anomaly that the layer holds; `last_ms` is when it was recorded last."""

    @property
    def metadata(self) -> Mapping[str, Any]: ...
    @property
    def last_ms(self) -> int: ...


class SanityLayer(Protocol):
    """What is needed of the layer; it need not be able to list what it holds."""

    def record_payment_anomaly(
        self, event_type: str, metadata: Mapping[str, Any], *, severity: float
    ) -> object: ...


class RecordedBySanityLayer:
    """Records each finding under the name of its check; its fingerprint is in the metadata.

    `codex` flags what is recorded; a host's own layer need not know of it unless it is asked for.
    """

    def __init__(self, layer: SanityLayer, *, codex: bool = False) -> None:
        self._layer = layer
        self._flags = {"write_codex": True} if codex else {}
        self._held: dict[str, frozenset[str]] = {}

    def record(self, finding: Finding) -> None:
        record: Callable[..., object] = self._layer.record_payment_anomaly
        record(finding.check, described(finding), severity=finding.severity, **self._flags)

    def holds(self, finding: Finding, since_ms: int) -> bool:
        """Say whether a run that began at `since_ms` has recorded it; looked up once a check."""
        if finding.check not in self._held:
            found = self._listed(finding.check)
            self._held[finding.check] = frozenset(
                str(one.metadata.get("fingerprint")) for one in found if one.last_ms >= since_ms
            )
        return finding.fingerprint in self._held[finding.check]

    def _listed(self, check: str) -> Sequence[Recorded]:
        """A host's own layer that cannot list may be told of a finding twice after a kill."""
        listing = getattr(self._layer, "list_anomalies", None)
        return () if listing is None else listing(event_type=check, limit=_MOST)
