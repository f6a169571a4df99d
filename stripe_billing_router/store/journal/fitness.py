"""What may go on without the database: one function, so that it can be seen at a glance."""

from __future__ import annotations

from collections.abc import Container, Sequence

from ...models import (
    AppendEntry,
    CloseOperation,
    DecideApproval,
    FreezeScope,
    OpenOperation,
    OperationState,
    RecordOutputs,
    TakeLease,
    UnfreezeScope,
    Write,
)
from .codec import CODERS, CORE, Codec


def fit(writes: Sequence[Write], held: Container[str], codec: Codec = CORE) -> bool:
    """Say whether writes may go to the journal; `held` are the operations that only it knows.

    A keyless intent alone (a reservation or an approval with it needs the database); what came of
    requests that have been sent; renewals of leases on what nobody else can know of (whoever
    renewed another lease here could not see that it has been taken over); and what a domain says is
    right later, too.
    """
    if any(isinstance(write, OpenOperation) for write in writes):
        return len(writes) == 1 and all(is_keyless_intent(write) for write in writes)
    return all(
        _is_outcome(write) or _is_held(write, held) or _is_a_domains(write, codec)
        for write in writes
    )


def opens(writes: Sequence[Write]) -> bool:
    """Say whether writes begin something, so that it is not too late to refuse them."""
    return not all(_is_outcome(write) for write in writes)


def decides(writes: Sequence[Write]) -> bool:
    """Say whether writes are what people decided: nothing that waits to be drained is before it."""
    return all(isinstance(w, FreezeScope | UnfreezeScope | DecideApproval) for w in writes)


def closes(writes: Sequence[Write]) -> bool:
    """Say whether writes are what an operation came to, which must not be lost however the
    database refuses it."""
    return fit(writes, ()) and any(isinstance(write, CloseOperation) for write in writes)


def leaves_doubt(writes: Sequence[Write]) -> bool:
    """Say whether writes are nothing but that an operation is in doubt."""
    return closes(writes) and not any(
        isinstance(write, CloseOperation) and write.state is not OperationState.UNKNOWN
        for write in writes
    )


def is_keyless_intent(write: Write) -> bool:
    return isinstance(write, OpenOperation) and write.operation.idempotency_key is None


def _is_outcome(write: Write) -> bool:
    return isinstance(write, RecordOutputs | CloseOperation | AppendEntry)


def _is_a_domains(write: Write, codec: Codec) -> bool:
    return type(write) not in CODERS and codec.knows(write)


def _is_held(write: Write, held: Container[str]) -> bool:
    return isinstance(write, TakeLease) and write.operation_id in held
