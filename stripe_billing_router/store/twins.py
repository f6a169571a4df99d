"""Which keyless operations may be in doubt, as far as somebody has seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..frozen import frozen
from ..models import CloseOperation, OpenOperation, OperationState, TakeLease, Write
from ..ports import TwinInDoubt

IsAlive = Callable[[str | None, str], bool]
"""Says of an owner and an operation whether the call that opened it surely still runs."""

IN_DOUBT = frozenset({OperationState.UNKNOWN, OperationState.REQUIRES_ACTION})


@frozen
class _Twin:
    input_hash: str
    state: OperationState
    lease_until_ms: int = 0
    lease_owner: str | None = None
    blocks_until_ms: int = 0

    def is_over(self, now_ms: int) -> bool:
        """Say whether it was settled, and its caller has had the time to ask again."""
        open_states = (*IN_DOUBT, OperationState.PENDING)
        return self.state not in open_states and self.blocks_until_ms <= now_ms

    def blocks(self, operation_id: str, now_ms: int, is_alive: IsAlive) -> bool:
        """One under way is no obstacle while its call provably runs."""
        if self.state is not OperationState.PENDING:
            return not self.is_over(now_ms)
        return self.lease_until_ms <= now_ms or not is_alive(self.lease_owner, operation_id)


class Twins:
    """Learns from writes; what is definitely over is forgotten."""

    def __init__(self) -> None:
        self._open: dict[str, _Twin] = {}
        self._told: dict[str, tuple[str, OperationState]] = {}

    def __len__(self) -> int:
        return len(self._open) + len(self._told)

    def clear(self) -> None:
        self._open.clear()
        self._told.clear()

    def input_hash(self, operation_id: str) -> str | None:
        """Return what an operation was asked for, if it is open and known."""
        known = self._open.get(operation_id)
        return None if known is None else known.input_hash

    def learn(self, writes: Sequence[Write], now_ms: int, input_hash: str | None = None) -> None:
        """Take note of what was written; `input_hash` is what the operation that is taken over or
        closed was asked for, if known."""
        for write in writes:
            if isinstance(write, OpenOperation):
                self._opened(write, now_ms)
            elif isinstance(write, TakeLease):
                self._taken(write, now_ms, input_hash)
            elif isinstance(write, CloseOperation):
                self._closed(write, now_ms, input_hash)

    def hear(self, writes: Sequence[Write], twin: TwinInDoubt) -> None:
        """Remember what the database refused, until it accepts an equal call, or this is over."""
        for write in writes:
            if isinstance(write, OpenOperation):
                operation_id, state = twin.args
                self._told[write.operation.input_hash] = (operation_id, OperationState(state))

    def refuse(self, input_hash: str, now_ms: int, is_alive: IsAlive) -> None:
        """Raise TwinInDoubt if an equal operation may be the same one."""
        if input_hash in self._told:
            raise TwinInDoubt(*self._told[input_hash])
        for operation_id, twin in list(self._open.items()):
            if twin.input_hash == input_hash and twin.blocks(operation_id, now_ms, is_alive):
                # Its call may have ended well since: then another thread has just learnt of it.
                now = self._open.get(operation_id)
                if now is not None and now.blocks(operation_id, now_ms, is_alive):
                    raise TwinInDoubt(operation_id, now.state)

    def _opened(self, write: OpenOperation, now_ms: int) -> None:
        operation = write.operation
        if operation.idempotency_key is None:
            self._told.pop(operation.input_hash, None)
            until_ms = now_ms + write.lease_ms
            self._open[operation.operation_id] = _Twin(
                operation.input_hash, OperationState.PENDING, until_ms, write.lease_owner
            )

    def _taken(self, write: TakeLease, now_ms: int, input_hash: str | None) -> None:
        found = self.input_hash(write.operation_id) or input_hash
        if found is not None:
            until_ms = now_ms + write.lease_ms
            self._open[write.operation_id] = _Twin(
                found, OperationState.PENDING, until_ms, write.lease_owner
            )

    def _closed(self, write: CloseOperation, now_ms: int, input_hash: str | None) -> None:
        found = self.input_hash(write.operation_id) or input_hash
        self._open.pop(write.operation_id, None)
        self._told = {k: told for k, told in self._told.items() if told[0] != write.operation_id}
        if found is None:
            return
        until_ms = now_ms + write.blocks_twins_for_ms
        closed = _Twin(found, write.state, blocks_until_ms=until_ms)
        if not closed.is_over(now_ms):
            self._open = {k: twin for k, twin in self._open.items() if not twin.is_over(now_ms)}
            self._open[write.operation_id] = closed
