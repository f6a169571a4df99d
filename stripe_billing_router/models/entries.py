"""What the ledger holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

SYSTEM_STREAM = "_system"
"""The chain of entries that belong to no bot."""


@dataclass(frozen=True, slots=True)
class EntryDraft:
    """A ledger entry before it has its place in a chain. `amount_minor` is in minor units."""

    id: str
    action_type: str
    amount_minor: int | None
    currency: str | None
    timestamp_ms: int
    user_email: str | None
    bot_id: str | None
    destination_account: str | None
    raw_event: Mapping[str, Any]
    error: bool
    operation_id: str | None
    status: str | None

    @property
    def stream(self) -> str:
        return self.bot_id or SYSTEM_STREAM


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One row of `stripe_ledger`. `amount` is in major units, `amount_minor` in minor units.

    `user_email`, `raw_event_json` and `salt` may have been erased (None); their commitments stay.
    """

    sequence: int
    id: str
    action_type: str
    amount: Decimal | None
    amount_minor: int | None
    currency: str | None
    timestamp_ms: int
    user_email: str | None
    bot_id: str | None
    destination_account: str | None
    raw_event_json: str | None
    error: int
    operation_id: str | None
    status: str | None
    stream: str
    stream_sequence: int
    salt: str | None
    user_email_commitment: str
    raw_event_commitment: str
    previous_hash: str
    entry_hash: str
