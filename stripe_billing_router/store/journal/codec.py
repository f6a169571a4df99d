"""Writes to the journal's JSON and back. What is a secret in a row is one here too."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ...models import (
    AppendEntry,
    AskApproval,
    CloseOperation,
    DecideApproval,
    EntryDraft,
    FreezeScope,
    MarkProcessed,
    NoteFact,
    OpenOperation,
    OperationState,
    RecordOutputs,
    ReopenOperation,
    Spend,
    TakeLease,
    UnfreezeScope,
    Write,
)
from ...redaction import without_secrets
from ..codec import operation_of, operation_row, outcome_json, outcome_of, outputs_json, outputs_of

_Json = Mapping[str, Any]


def encoded(writes: Sequence[Write]) -> list[dict[str, Any]]:
    """Return the JSON of writes that are fit for the journal; TypeError for any other."""
    return [{"write": type(write).__name__, **_fields(write)} for write in writes]


def decoded(found: Sequence[_Json]) -> tuple[Write, ...]:
    """Return the writes of a line; KeyError, TypeError or ValueError if they are not readable."""
    return tuple(_DECODERS[one["write"]](one) for one in found)


def subject_of(writes: Sequence[Write]) -> str | None:
    """Return the operation that a commit is about; None for what people have decided."""
    for write in writes:
        if isinstance(write, OpenOperation | ReopenOperation | AskApproval):
            return write.operation.operation_id
        if isinstance(write, AppendEntry):
            return write.entry.operation_id
        if not isinstance(
            write, DecideApproval | FreezeScope | UnfreezeScope | MarkProcessed | NoteFact | Spend
        ):
            return write.operation_id
    return None


def _fields(write: Write) -> dict[str, Any]:
    match write:
        case OpenOperation():
            return {
                "operation": operation_row(write.operation),
                "lease_token": write.lease_token,
                "lease_ms": write.lease_ms,
                "lease_owner": write.lease_owner,
            }
        case TakeLease():
            return {**asdict(write), "states": sorted(write.states)}
        case RecordOutputs():
            return {
                "operation_id": write.operation_id,
                "lease_token": write.lease_token,
                "outputs": outputs_json(write.outputs),
                "generation": write.generation,
            }
        case CloseOperation():
            return _close_fields(write)
        case AppendEntry():
            entry = asdict(write.entry)
            return {"entry": {**entry, "raw_event": without_secrets(entry["raw_event"])}}
    raise TypeError(f"{type(write).__name__} does not belong into the journal")


def _close_fields(write: CloseOperation) -> dict[str, Any]:
    return {
        "operation_id": write.operation_id,
        "lease_token": write.lease_token,
        "state": str(write.state),
        "outcome": outcome_json(write.outcome),
        "outputs": None if write.outputs is None else outputs_json(write.outputs),
        "used_up": write.used_up,
        "blocks_twins_for_ms": write.blocks_twins_for_ms,
        "generation": write.generation,
    }


def _open(found: _Json) -> OpenOperation:
    return OpenOperation(
        operation_of(found["operation"]),
        found["lease_token"],
        found["lease_ms"],
        found["lease_owner"],
    )


def _take(found: _Json) -> TakeLease:
    fields = {name: value for name, value in found.items() if name != "write"}
    return TakeLease(**{**fields, "states": frozenset(map(OperationState, found["states"]))})


def _record(found: _Json) -> RecordOutputs:
    outputs = outputs_of(found["outputs"])
    generation = found.get("generation", 0)
    return RecordOutputs(found["operation_id"], found["lease_token"], outputs, generation)


def _close(found: _Json) -> CloseOperation:
    return CloseOperation(
        found["operation_id"],
        found["lease_token"],
        OperationState(found["state"]),
        outcome_of(found["outcome"]),
        None if found["outputs"] is None else outputs_of(found["outputs"]),
        found["used_up"],
        found["blocks_twins_for_ms"],
        found.get("generation", 0),
    )


def _append(found: _Json) -> AppendEntry:
    return AppendEntry(EntryDraft(**found["entry"]))


_DECODERS: Mapping[str, Callable[[_Json], Write]] = {
    "OpenOperation": _open,
    "TakeLease": _take,
    "RecordOutputs": _record,
    "CloseOperation": _close,
    "AppendEntry": _append,
}
