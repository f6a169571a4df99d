"""What the engine's rooms work with, put together once for each router."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..models import Operation, Verbs
from ..ports import Age, Clock, Guard, KeyProvider, Keys, PaymentProvider, Routes, Store
from ..providers.stripe.reading import Lookups, Reader
from ..providers.stripe.verbs import Verb
from .closing import Closing
from .guards.accounts import AccountCheck
from .guards.approving import Approvals
from .guards.policing import Policing
from .guards.trust import Trust
from .leases import Leases
from .sending import Sender


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
    sender: Sender
    closing: Closing
    policing: Policing
    approvals: Approvals
    trust: Trust
    guards: Sequence[Guard]
    in_progress_wait: float
    verbs: Verbs[Verb]

    def age(self, operation: Operation, keys: Keys) -> Age:
        """Return how long ago an operation may first have been sent.

        By the database's clock and by Stripe's own: one that was set back must not make an old
        request key look young, nor one that was set on a young one forgotten.
        """
        ours = self.store.now_ms() - operation.started_ms
        theirs = self.reader.now_ms(keys.secret_key)
        stripes = ours if theirs is None else theirs - operation.started_by_provider_ms
        return Age(min(ours, stripes), max(ours, stripes))
