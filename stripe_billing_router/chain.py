"""The ledger's hash chain: how an entry is bound to the one before it.

Personal data (the e-mail address, the raw JSON) enters the hash as a salted commitment only, so
that erasing data and salt leaves the chain verifiable and the erased value unguessable.
"""

from __future__ import annotations

import hashlib

from .fingerprint import digest
from .models import LedgerEntry

GENESIS = "0" * 64
"""What the first entry of a stream follows."""


def commitment(salt: str, text: str | None) -> str:
    """Return the commitment to `text` under `salt` (hexadecimal SHA-256)."""
    told = "absent" if text is None else f"present:{text}"
    return hashlib.sha256(f"{salt}:{told}".encode()).hexdigest()


def entry_hash(entry: LedgerEntry) -> str:
    """Return what the entry's `entry_hash` has to be."""
    return digest(
        [
            entry.stream,
            entry.stream_sequence,
            entry.previous_hash,
            entry.sequence,
            entry.id,
            entry.action_type,
            entry.amount_minor,
            entry.currency,
            entry.timestamp_ms,
            entry.bot_id,
            entry.destination_account,
            entry.error,
            entry.operation_id,
            entry.status,
            entry.user_email_commitment,
            entry.raw_event_commitment,
        ]
    )
