"""The same call again: replayed, waited for, resumed, or read anew."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import IdempotencyConflictError, OperationInProgressError, PaymentActionRequiredError
from ..models import Operation, OperationState, Result, Verb
from ..ports import CommitAmbiguous, Keys, StaleLease
from . import leases
from .doubt.waiting import WAITING, Follower
from .executing import Executor
from .failures import doubted, unknown
from .guards.policing import within_limits
from .leases import Lease
from .parts import Parts

_POLL = 0.05
_RESUMABLE = frozenset({OperationState.PENDING, OperationState.UNKNOWN})


class Replayer:
    """Answers calls whose idempotency key has been used before."""

    def __init__(self, parts: Parts, executor: Executor, follower: Follower) -> None:
        self._parts = parts
        self._executor = executor
        self._follower = follower

    def when_free(self, known: Operation, input_hash: str) -> Operation:
        """Return the operation once nobody is working on it.

        IdempotencyConflictError if it was another call; OperationInProgressError if it takes long.
        """
        if known.input_hash != input_hash:
            raise IdempotencyConflictError(
                f"The idempotency_key was used by {known.bot} for another {known.verb} call. Use a "
                "new key for a new payment, or the same arguments for the same one.",
                operation_id=known.operation_id,
                idempotency_key=known.idempotency_key,
            )
        return self._when_free(known)

    def answer(self, known: Operation, verb: Verb) -> Result | None:
        """Replay, read anew or resume; None if another has taken it up meanwhile."""
        if known.state in _RESUMABLE:
            self._parts.trust.require_to_send(known)
            return self._resume(known, verb)
        if not self._parts.trust.may_be_told(known):
            return self._read(known, verb, self._follower.witnessed)
        if known.state in WAITING:
            return self._read(known, verb, self._follower.read_anew)
        return self._parts.closing.deliver(known, verb, first=False)

    def _when_free(self, known: Operation) -> Operation:
        """Return the operation once nobody is working on it; OperationInProgressError if not."""
        give_up = self._parts.clock.elapsed() + self._parts.in_progress_wait
        while known.state is OperationState.PENDING and self._held(known):
            if self._parts.clock.elapsed() >= give_up:
                raise OperationInProgressError(
                    "The same call is being executed. Repeat it with the same idempotency_key in "
                    "a moment.",
                    operation_id=known.operation_id,
                    money="unknown",
                    idempotency_key=known.idempotency_key,
                )
            self._parts.clock.sleep(_POLL)
            known = self._parts.store.operation(known.operation_id) or known
        return known

    def _held(self, known: Operation) -> bool:
        expired = known.lease_until_ms <= self._parts.store.now_ms()
        return not expired and not leases.provably_dead(known.lease_owner)

    def _resume(self, known: Operation, verb: Verb) -> Result | None:
        """Go on with the frozen steps and their keys, after every check of a first call."""
        with doubted(known):
            keys = self._parts.keys.keys()
            reserves = self._executor.recheck(known, keys)
            sendable_for_ms = self._parts.providers.of(known).sendable_for_ms
            if self._parts.age(known, keys).most_ms > sendable_for_ms:
                raise unknown(
                    known.operation_id, known.idempotency_key, "It is too old to be sent again."
                )
            try:
                with within_limits():
                    lease = self._parts.leases.take(
                        known.operation_id,
                        known.lease_token,
                        frozenset({known.state}),
                        by_force=leases.provably_dead(known.lease_owner),
                        writes=reserves,
                    )
            except StaleLease:
                return None
            except CommitAmbiguous:
                raise unknown(
                    known.operation_id,
                    known.idempotency_key,
                    "The database broke off while the operation was taken up again.",
                ) from None
            return self._go_on(known, verb, keys, lease)

    def _go_on(self, known: Operation, verb: Verb, keys: Keys, lease: Lease) -> Result:
        """Execute; what waits is read anew, for what Stripe replays is how it was then."""
        told: Result | PaymentActionRequiredError
        try:
            told = self._executor.execute(known, verb, keys, lease, in_doubt=True)
        except PaymentActionRequiredError as waits:
            told = waits
        else:
            if OperationState(told.state) not in WAITING:
                return told
        now = self._parts.store.operation(known.operation_id)
        if now is not None and now.state in WAITING and self._parts.trust.may_be_told(now):
            return self._read(now, verb, self._follower.read_anew)
        if isinstance(told, PaymentActionRequiredError):
            raise told
        return told

    def _read(
        self, known: Operation, verb: Verb, read: Callable[[Operation, Verb], Operation]
    ) -> Result:
        """Read once where a payment stands now that waits, or of which the row proves nothing."""
        with doubted(known):
            now = read(known, verb)
            public_key = self._parts.keys.keys().public_key
        return self._parts.closing.deliver(now, verb, public_key, first=False)
