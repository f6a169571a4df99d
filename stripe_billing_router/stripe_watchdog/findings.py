"""What a check has found."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from ..frozen import frozen


@frozen
class Finding:
    """Something that people have to look at.

    `severity` runs from 1.0 to 5.0. `subject` is what it is about: a Stripe id, an operation id, a
    stream of the ledger or a currency with its day. `message` says what was seen and what to do.
    `at_ms` is when it happened, in milliseconds since the epoch. `details` are JSON types and hold
    no personal data beyond ids.
    """

    check: str
    severity: float
    subject: str
    message: str
    bot_id: str | None = None
    operation_id: str | None = None
    account_id: str | None = None
    amount_minor: int | None = None
    currency: str | None = None
    at_ms: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """The same for the same problem in every run: 32 hexadecimal digits."""
        return hashlib.sha256(f"{self.check}\n{self.subject}".encode()).hexdigest()[:32]
