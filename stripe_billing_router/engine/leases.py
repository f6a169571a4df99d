"""The right to send for an operation, held for a while and checked before each send."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from ..models import OperationState, TakeLease, Write
from ..ports import Clock, StaleLease, Store
from . import process

_MARGIN = 10.0

SENDABLE_FOR_MS = 23 * 3600 * 1000
"""Stripe may forget an idempotency key after 24 hours; nothing is sent again so late."""


@dataclass(slots=True)
class Lease:
    """A lease that this call holds. It is measured here by a clock that counts suspension, from
    before the commit that took it, so that it ends here no later than in the database.

    After `sends_until`, by the same clock, its holder sends nothing any more."""

    operation_id: str
    token: str
    seconds: float
    taken: float
    sends_until: float | None = None
    to_send: bool = True

    def left(self, clock: Clock) -> float:
        """Return the seconds for which it surely still holds."""
        return self.seconds - (clock.elapsed() - self.taken)


class Leases:
    """Makes, takes and renews leases for sends that take at most `longest_send` seconds."""

    def __init__(self, store: Store, clock: Clock, longest_send: float) -> None:
        self._store = store
        self._clock = clock
        self._needed = longest_send + _MARGIN
        self.seconds = 2 * self._needed

    @property
    def milliseconds(self) -> int:
        return int(self.seconds * 1000)

    def new(self, operation_id: str) -> Lease:
        """Return a lease that the caller is about to write into the database."""
        return Lease(operation_id, uuid.uuid4().hex, self.seconds, self._clock.elapsed())

    def take(
        self,
        operation_id: str,
        previous_token: str | None,
        states: frozenset[OperationState],
        *,
        by_force: bool = False,
        to_send: bool = True,
        writes: Sequence[Write] = (),
    ) -> Lease:
        """Take over an operation; `writes` go into the same commit.

        StaleLease if another holds it, it has moved on, or, if it is taken `to_send` for it, its
        first send is too long ago.
        """
        lease = self.new(operation_id)
        lease.to_send = to_send
        self._store.commit(
            TakeLease(
                operation_id,
                previous_token,
                states,
                lease.token,
                self.milliseconds,
                process.me() if to_send else process.RECOVERS + process.me(),
                SENDABLE_FOR_MS if to_send else None,
                by_force,
            ),
            *writes,
        )
        return lease

    def renew(self, lease: Lease, writes: Sequence[Write] = ()) -> None:
        """Begin the lease anew; `writes` go into the same commit. StaleLease if it was taken over.

        What its holder writes otherwise could change an operation that is another's by then.
        """
        renewed = self.take(
            lease.operation_id,
            lease.token,
            frozenset({OperationState.PENDING}),
            by_force=True,
            to_send=lease.to_send,
            writes=writes,
        )
        lease.token, lease.taken = renewed.token, renewed.taken

    def ensure(self, lease: Lease) -> None:
        """Make sure that the lease outlives the next send.

        StaleLease if it was taken over, or if its holder's time to send is over.
        """
        if lease.left(self._clock) < self._needed:
            self.renew(lease)
        if lease.sends_until is not None and self._clock.elapsed() > lease.sends_until:
            raise StaleLease(lease.operation_id)
