"""Writes to the journal's JSON and back. What is a secret in a row is one here too."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ...models import (
    AppendEntry,
    CloseOperation,
    EntryDraft,
    MarkProcessed,
    OpenOperation,
    OperationState,
    RecordOutputs,
    Reservation,
    TakeLease,
    Write,
)
from ...redaction import without_secrets
from ..codec import operation_of, operation_row, outcome_json, outcome_of, outputs_json, outputs_of

_Json = Mapping[str, Any]
Encode = Callable[[Any], _Json]
Decode = Callable[[_Json], Any]


class UnknownWrite(KeyError):
    """A write that no domain that is installed knows; `args` has its name."""


class Codec:
    """What may go to the journal, by the names it has there: its type, to JSON, and back."""

    def __init__(self, known: Mapping[str, tuple[type, Encode, Decode]]) -> None:
        self._decoders = {name: decode for name, (_, _, decode) in known.items()}
        self._encoders = {kind: (name, encode) for name, (kind, encode, _) in known.items()}

    def knows(self, write: Write) -> bool:
        """Say whether a write can be journaled."""
        return type(write) in self._encoders

    def encoded(self, writes: Sequence[Write]) -> list[dict[str, Any]]:
        """Return the JSON of writes that are fit for the journal; TypeError for any other."""
        return [self._encoded(write) for write in writes]

    def decoded(self, found: Sequence[_Json]) -> tuple[Write, ...]:
        """Return a line's writes; KeyError, TypeError or ValueError if they are not readable."""
        return tuple(self._decoder(one["write"])(one) for one in found)

    def _decoder(self, name: str) -> Decode:
        found = self._decoders.get(name)
        if found is None:
            raise UnknownWrite(name)
        return found

    def _encoded(self, write: Write) -> dict[str, Any]:
        if not self.knows(write):
            raise TypeError(f"{type(write).__name__} does not belong into the journal")
        name, encode = self._encoders[type(write)]
        return {**encode(write), "write": name}


def subject_of(writes: Sequence[Write]) -> str | None:
    """Return the operation that a commit is about; None for what people have decided."""
    for write in writes:
        if isinstance(write, MarkProcessed):
            continue
        about = getattr(write, "operation", None) or getattr(write, "entry", None) or write
        operation_id: str | None = getattr(about, "operation_id", None)
        if operation_id is not None:
            return operation_id
    return None


def _open_fields(write: OpenOperation) -> dict[str, Any]:
    return {
        "operation": operation_row(write.operation),
        "lease_token": write.lease_token,
        "lease_ms": write.lease_ms,
        "lease_owner": write.lease_owner,
    }


def _take_fields(write: TakeLease) -> dict[str, Any]:
    return {**asdict(write), "states": sorted(write.states)}


def _record_fields(write: RecordOutputs) -> dict[str, Any]:
    return {
        "operation_id": write.operation_id,
        "lease_token": write.lease_token,
        "outputs": outputs_json(write.outputs),
        "attempt": write.attempt,
    }


def _append_fields(write: AppendEntry) -> dict[str, Any]:
    entry = asdict(write.entry)
    return {"entry": {**entry, "raw_event": without_secrets(entry["raw_event"])}}


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
        "attempt": write.attempt,
        "intent": None if write.intent is None else operation_row(write.intent),
        "holds": [asdict(part) for part in write.holds],
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
    attempt = found.get("attempt", "")
    return RecordOutputs(found["operation_id"], found["lease_token"], outputs, attempt)


def _close(found: _Json) -> CloseOperation:
    intent = found.get("intent")
    return CloseOperation(
        found["operation_id"],
        found["lease_token"],
        OperationState(found["state"]),
        outcome_of(found["outcome"]),
        None if found["outputs"] is None else outputs_of(found["outputs"]),
        found["used_up"],
        found["blocks_twins_for_ms"],
        found.get("generation", 0),
        found.get("attempt", ""),
        None if intent is None else operation_of(intent),
        tuple(Reservation(**part) for part in found.get("holds", ())),
    )


def _append(found: _Json) -> AppendEntry:
    return AppendEntry(EntryDraft(**found["entry"]))


CODERS: Mapping[type, tuple[Encode, Decode]] = {
    OpenOperation: (_open_fields, _open),
    TakeLease: (_take_fields, _take),
    RecordOutputs: (_record_fields, _record),
    CloseOperation: (_close_fields, _close),
    AppendEntry: (_append_fields, _append),
}
"""The core's writes that may go to the journal."""

CORE = Codec({kind.__name__: (kind, *coders) for kind, coders in CODERS.items()})
