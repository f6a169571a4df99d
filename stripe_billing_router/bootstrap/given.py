"""What a host gives in code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from ..config import HostCode
from ..frozen import frozen
from ..models import Policies
from ..ports import Clock, Guard, Observer, Reaction

if TYPE_CHECKING:
    import stripe


@frozen
class Given:
    """What a host gives in code; None means: from the environment or the routing file."""

    config: str | Path | None = None
    secret_key: str | None = field(default=None, repr=False)
    public_key: str | None = None
    home: str | Path | None = None
    ledger_url: str | None = None
    ledger_fallback: str | Path | None = None
    api_base: str | None = None
    http_client: stripe.HTTPClient | None = None
    clock: Clock | None = None
    policies: Policies | None = None
    guards: Sequence[Guard] = ()
    observers: Sequence[Observer] = ()
    reactions: Sequence[Reaction] = ()
    environ: Mapping[str, str] | None = None
    host: HostCode = field(default_factory=HostCode)
    data_home: str | Path | None = None
