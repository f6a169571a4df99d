"""Every write that a store knows: how it is done in a transaction, and how it is journaled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..domain import Applied, Domain
from ..errors import ConfigurationError
from ..models import (
    AppendEntry,
    AskApproval,
    ClaimLook,
    CloseOperation,
    DecideApproval,
    FreezeScope,
    MarkProcessed,
    NoteFact,
    OpenOperation,
    OperationState,
    RecordOutputs,
    ReopenOperation,
    Reserve,
    Spend,
    TakeLease,
    UnfreezeScope,
    UseApproval,
    Write,
)
from . import approvals, budgets, inbox, ledger, operations, outbox
from .journal.codec import CODERS, Codec
from .transaction import SqlTransaction as T

Apply = Callable[[Any, Any], object]


def _reopen(t: T, write: ReopenOperation) -> None:
    operations.reopen_operation(t.connection, write, t.now_ms, t.sealing)
    budgets.begin_anew(t.connection, write.operation.operation_id)


def _close(t: T, write: CloseOperation) -> None:
    if write.intent is not None and operations.load(t.connection, write.operation_id) is None:
        operations.rewrite(t.connection, write.intent, write.lease_token, t.now_ms, t.sealing)
        for part in write.holds:
            budgets.hold(t.dialect, t.connection, write.intent, part, t.now_ms)
    if write.state is OperationState.UNKNOWN and operations.leave_unheard(
        t.connection, write.operation_id, t.now_ms
    ):
        return
    operations.close_operation(t.connection, write, t.now_ms, t.encode, t.sealing)
    budgets.settle(t.connection, write, t.now_ms)
    if write.state is OperationState.UNKNOWN:
        told = outbox.record_doubt(t.dialect, t.connection, write.operation_id, t.now_ms, t.verbs)
        t.streams.update(told)


def _append(t: T, write: AppendEntry) -> None:
    ledger.append_entry(t.dialect, t.connection, write, t.encode, t.verbs)
    t.streams.add(write.entry.stream)


_CORE: Mapping[type, Apply] = {
    OpenOperation: lambda t, w: operations.open_operation(
        t.connection, w, t.now_ms, t.is_alive, t.sealing
    ),
    ReopenOperation: _reopen,
    TakeLease: lambda t, w: operations.take_lease(t.connection, w, t.now_ms),
    RecordOutputs: lambda t, w: operations.record_outputs(t.connection, w, t.now_ms, t.sealing),
    ClaimLook: lambda t, w: operations.claim_look(t.connection, w, t.now_ms),
    CloseOperation: _close,
    AppendEntry: _append,
    Reserve: lambda t, w: budgets.reserve(t.dialect, t.connection, w, t.now_ms),
    Spend: lambda t, w: budgets.spend(t.dialect, t.connection, w, t.now_ms),
    AskApproval: lambda t, w: approvals.ask(t.connection, w, t.now_ms, t.sealing),
    UseApproval: lambda t, w: approvals.use(t.connection, w, t.now_ms),
    DecideApproval: lambda t, w: approvals.decide(t.connection, w, t.now_ms),
    FreezeScope: lambda t, w: budgets.freeze(t.connection, w, t.now_ms),
    UnfreezeScope: lambda t, w: budgets.unfreeze(t.connection, w, t.now_ms),
    MarkProcessed: lambda t, w: inbox.mark(t.connection, w, t.now_ms),
    NoteFact: lambda t, w: inbox.note(t.connection, w, t.now_ms),
}


class Writes:
    """The core's writes and those of domains, by their types."""

    def __init__(self, domains: Iterable[Domain] = ()) -> None:
        self._known = {kind: Applied(apply, *CODERS.get(kind, ())) for kind, apply in _CORE.items()}
        names = {kind: kind.__name__ for kind in self._known}
        for domain in domains:
            for kind, applied in domain.writes.items():
                if kind in self._known:
                    raise ConfigurationError(
                        f"The domain {domain.name} registers {kind.__name__}, which is another's. "
                        "Give it a write of its own."
                    )
                self._known[kind] = applied
                names[kind] = f"{domain.name}.{kind.__name__}"
        self.codec = Codec(
            {
                names[kind]: (kind, applied.encode, applied.decode)
                for kind, applied in self._known.items()
                if applied.encode is not None and applied.decode is not None
            }
        )

    def bound(self, writes: Sequence[Write]) -> list[tuple[Apply, Write]]:
        """Return how each is done; ConfigurationError if one is not known, before anything is."""
        try:
            return [(self._known[type(write)].apply, write) for write in writes]
        except KeyError as unknown:
            (kind,) = unknown.args
            raise ConfigurationError(
                f"No store knows how to do {kind.__name__}, so that nothing was written. Name it "
                "in the `writes` of its domain, and the domain in bootstrap/domains.py."
            ) from None
