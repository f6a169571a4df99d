"""What the engine's rooms work with, put together once for each router."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..models import Operation
from ..ports import Clock, Guard, KeyProvider, Keys, PaymentProvider, Routes, Store
from .accounts import AccountCheck
from .closing import Closing
from .leases import Leases
from .lookups import Lookups
from .reads import Reader
from .runner import Runner


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one router's engine. `in_progress_wait` is in seconds."""

    store: Store
    provider: PaymentProvider
    routes: Routes
    keys: KeyProvider
    clock: Clock
    reader: Reader
    accounts: AccountCheck
    lookups: Lookups
    leases: Leases
    runner: Runner
    closing: Closing
    guards: Sequence[Guard]
    in_progress_wait: float

    def age_ms(self, operation: Operation, keys: Keys) -> int:
        """Return how long ago an operation may first have been sent.

        By the later of the database's clock and Stripe's own: one that was set back must not make
        an old request key look young.
        """
        ours = self.store.now_ms() - operation.started_ms
        theirs = self.reader.now_ms(keys.secret_key)
        if theirs is None:
            return ours
        return max(ours, theirs - started_by_stripe_ms(operation))


def started_by_stripe_ms(operation: Operation) -> int:
    """Return when an operation's intent was written, by Stripe's clock."""
    return operation.started_ms + operation.skew_ms
