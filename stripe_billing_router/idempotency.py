"""Names that make a payment happen at most once.

Nothing here depends on a clock or an amount: a keyed call always gets the same operation id and
so the same request keys, even if the ledger was lost; a keyless call gets a random one.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from .fingerprint import digest
from .models import BotId, Step


def keyed_operation_id(bot: BotId, verb: str, key: str) -> str:
    """Return the operation id of a call with the caller's idempotency key."""
    return "op_" + digest([str(bot), verb, key])[:40]


def new_operation_id() -> str:
    """Return the operation id of a call without an idempotency key."""
    return "op_" + uuid.uuid4().hex


def request_key(operation_id: str, step: str, generation: int = 0) -> str:
    """Return the Idempotency-Key of one request: one for each step, the same for each retry."""
    return f"{operation_id}-{step}" + (f"-{generation}" if generation else "")


def input_hash(bot: BotId, verb: str, arguments: Mapping[str, Any]) -> str:
    """Return the hash of what the caller asked, before routing; it decides replays."""
    return digest([str(bot), verb, dict(arguments)])


def effect_hash(account_id: str, api_version: str, steps: Iterable[Step]) -> str:
    """Return the hash of what will be done, account included; approvals are bound to it."""
    frozen = [[step.name, step.method, step.path, step.params] for step in steps]
    return digest([account_id, api_version, frozen])
