"""What the journal's undrained lines say of operations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ...models import (
    HAPPENED,
    NEXT_STATES,
    CloseOperation,
    OpenOperation,
    Operation,
    OperationState,
    RecordOutputs,
    ReopenOperation,
    TakeLease,
    Write,
)
from ...ports import StaleLease
from ..twins import Twins
from .codec import CORE, Codec
from .lines import Line


class View:
    """Fed with every line in turn.

    `pending` are the commits that may not be in the database yet, `begun` the operations whose
    intents are among them. `held` are operations of which surely only the journal knows: here the
    rules of the table are kept. `twins` are keyless ones that may yet be in doubt.
    """

    def __init__(self, codec: Codec = CORE) -> None:
        self._codec = codec
        self.pending: list[Line] = []
        self.begun: set[str] = set()
        self.held: dict[str, Operation] = {}
        self.twins = Twins()

    def feed(self, line: Line) -> None:
        """Of a line that is not believed only what it begins is: it keeps equal calls waiting."""
        if line.kind == "writes":
            self.pending.append(line)
            self._learn(line)
        elif not line.believed:
            return
        elif line.kind == "draining":
            self.held.clear()
        elif line.kind == "drained":
            self.pending.clear()
            self.begun.clear()
            self.held.clear()
            self.twins.clear()

    def check(self, writes: Sequence[Write], now_ms: int) -> None:
        """Raise StaleLease if a held operation is not what the writer believes."""
        self._applied(writes, now_ms)

    def _learn(self, line: Line) -> None:
        try:
            writes = self._codec.decoded(line.body["writes"])
            if not line.believed:
                writes = begun(writes)
            self.held.update(self._applied(writes, line.at_ms) if line.believed else {})
        except (KeyError, TypeError, ValueError, StaleLease):
            return  # the drain stops at such a line and tells
        for write in writes:
            if isinstance(write, OpenOperation):
                self.begun.add(write.operation.operation_id)
        self.twins.learn(writes, line.at_ms, line.body.get("input_hash"))

    def _applied(self, writes: Sequence[Write], now_ms: int) -> dict[str, Operation]:
        changed: dict[str, Operation] = {}
        for write in writes:
            if isinstance(write, OpenOperation):
                changed[write.operation.operation_id] = opened(write, now_ms)
            elif isinstance(write, TakeLease | RecordOutputs | CloseOperation):
                before = changed.get(write.operation_id) or self.held.get(write.operation_id)
                if before is not None:
                    changed[write.operation_id] = _changed(before, write, now_ms)
        return changed


def begun(writes: Sequence[Write]) -> tuple[OpenOperation, ...]:
    """Return what a line that bears no seal may say: that something may have been begun."""
    return tuple(write for write in writes if isinstance(write, OpenOperation))


def opened(write: OpenOperation | ReopenOperation, now_ms: int) -> Operation:
    """Return an operation as its intent makes it."""
    return replace(
        write.operation,
        created_ms=now_ms,
        started_ms=now_ms,
        updated_ms=now_ms,
        lease_token=write.lease_token,
        lease_until_ms=now_ms + write.lease_ms,
        lease_owner=write.lease_owner,
    )


def _changed(
    before: Operation, write: TakeLease | RecordOutputs | CloseOperation, now_ms: int
) -> Operation:
    match write:
        case TakeLease():
            return _taken(before, write, now_ms)
        case RecordOutputs():
            _require(before.state is OperationState.PENDING, before)
            _require(before.lease_token == write.lease_token, before)
            return replace(before, outputs=write.outputs, updated_ms=now_ms)
        case CloseOperation(state=OperationState.UNKNOWN) if before.state in HAPPENED:
            return before  # its caller has not heard of it, and that is all
        case CloseOperation():
            _require(before.lease_token == write.lease_token, before)
            _require(write.state in NEXT_STATES[before.state], before)
            return _closed(before, write, now_ms)


def _taken(before: Operation, write: TakeLease, now_ms: int) -> Operation:
    _require(before.lease_token == write.previous_token, before)
    _require(before.state in write.states, before)
    _require(write.by_force or before.lease_until_ms <= now_ms, before)
    _require(write.max_age_ms is None or before.started_ms > now_ms - write.max_age_ms, before)
    return replace(
        before,
        state=OperationState.PENDING,
        lease_token=write.lease_token,
        lease_until_ms=now_ms + write.lease_ms,
        lease_owner=write.lease_owner,
        updated_ms=now_ms,
    )


def _closed(before: Operation, write: CloseOperation, now_ms: int) -> Operation:
    return replace(
        before,
        state=write.state,
        outcome=write.outcome,
        outputs=before.outputs if write.outputs is None else write.outputs,
        generation=before.generation + write.used_up,
        lease_token=None,
        lease_until_ms=0,
        updated_ms=now_ms,
    )


def _require(holds: bool, before: Operation) -> None:
    if not holds:
        raise StaleLease(before.operation_id)
