"""Operations and ledger entries to database rows and back."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from sqlalchemy import RowMapping

from ..fingerprint import canonical_json
from ..models import (
    BotId,
    Failure,
    LedgerEntry,
    Operation,
    OperationState,
    Outcome,
    Step,
    StepOutput,
)
from ..redaction import without_secrets

_AS_THEY_ARE = (
    "operation_id region verb idempotency_key input_hash effect_hash api_version account_id "
    "key_fingerprint amount_minor currency customer_id user_email generation skew_ms created_ms "
    "started_ms updated_ms lease_token lease_until_ms lease_owner"
).split()


def operation_row(operation: Operation) -> dict[str, Any]:
    """Return the columns of an operation."""
    return {
        **{name: getattr(operation, name) for name in _AS_THEY_ARE},
        "bot_id": str(operation.bot),
        "state": str(operation.state),
        "steps": canonical_json([asdict(step) for step in operation.steps]),
        "arguments": canonical_json(operation.arguments),
        "outputs": outputs_json(operation.outputs),
        "outcome": outcome_json(operation.outcome),
    }


def operation_of(row: RowMapping) -> Operation:
    """Return the operation of a row."""
    return Operation(
        **{name: row[name] for name in _AS_THEY_ARE},
        bot=BotId.parse(row["bot_id"]),
        state=OperationState(row["state"]),
        steps=tuple(Step(**step) for step in json.loads(row["steps"])),
        arguments=json.loads(row["arguments"]),
        outputs=tuple(StepOutput(**output) for output in json.loads(row["outputs"])),
        outcome=_outcome_of(row["outcome"]),
    )


def outputs_json(outputs: tuple[StepOutput, ...]) -> str:
    """Return step outputs as they are stored: without secrets."""
    return canonical_json(without_secrets([asdict(output) for output in outputs]))


def outcome_json(outcome: Outcome | None) -> str | None:
    """Return an outcome as it is stored: without secrets."""
    return None if outcome is None else canonical_json(without_secrets(asdict(outcome)))


def _outcome_of(text: str | None) -> Outcome | None:
    if text is None:
        return None
    found = json.loads(text)
    failure = found.pop("failure")
    state = OperationState(found.pop("state"))
    return Outcome(state=state, failure=Failure(**failure) if failure else None, **found)


def entry_of(row: RowMapping) -> LedgerEntry:
    """Return the ledger entry of a row."""
    return LedgerEntry(**row)
