"""What a caller passes, checked, in plain types, and hashed."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..idempotency import input_hash, keyed_operation_id, new_operation_id
from ..models import BotId
from ..redaction import exact, redact, shown
from ..verbs import Call, Verb, arguments

_LONGEST_KEY = 255


@dataclass(frozen=True, slots=True)
class Asked:
    """A checked call with the names that make it happen at most once."""

    call: Call
    operation_id: str
    idempotency_key: str | None
    input_hash: str


def parse(
    verb: Verb,
    bot_id: object,
    given: Mapping[str, Any],
    params: Mapping[str, Any],
    *,
    overrides: object,
    metadata: object,
    idempotency_key: object,
) -> Asked:
    """Return the call as asked; InvalidRequestError or InvalidAmountError for anything else."""
    bot = BotId.parse(bot_id)
    key = _key(idempotency_key)
    clean, extra = verb.check(given, params)
    call = Call(
        bot, verb.name, clean, extra, arguments.metadata(metadata), arguments.overrides(overrides)
    )
    operation_id = keyed_operation_id(bot, verb.name, key) if key else new_operation_id()
    return Asked(call, operation_id, key, input_hash(bot, verb.name, call.asked()))


def resumable(asked: Asked) -> Asked:
    """Return a keyless call with a key of its own, by which its caller can come back to it."""
    key = "approval-" + uuid.uuid4().hex
    operation_id = keyed_operation_id(asked.call.bot, asked.call.verb, key)
    return replace(asked, operation_id=operation_id, idempotency_key=key)


def _key(key: object) -> str | None:
    if key is None:
        return None
    key = exact(key)
    if not isinstance(key, str) or not 0 < len(key) <= _LONGEST_KEY or not key.isprintable():
        raise arguments.invalid(
            "idempotency_key", f"is {shown(key)}; pass 1 to {_LONGEST_KEY} printable characters"
        )
    if redact(key) != key:
        raise arguments.invalid("idempotency_key", "holds what looks like a secret; use another")
    return key
