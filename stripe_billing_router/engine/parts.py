"""What the engine's rooms work with, put together once for each router."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..frozen import frozen
from ..models import Operation, Verbs
from ..ports import Age, Clock, Guard, KeyProvider, Keys, Routes, Store
from ..providers import Providers
from .closing import Closing
from .guards.accounts import AccountCheck
from .guards.approving import Approvals
from .guards.policing import Policing
from .guards.trust import Trust
from .leases import Leases
from .sending import Sender


@frozen
class Parts:
    """The parts of one router's engine. `in_progress_wait` is in seconds."""

    store: Store
    providers: Providers
    routes: Routes
    keys: KeyProvider
    clock: Clock
    accounts: AccountCheck
    leases: Leases
    sender: Sender
    closing: Closing
    policing: Policing
    approvals: Approvals
    trust: Trust
    guards: Sequence[Guard]
    in_progress_wait: float
    verbs: Verbs[Any]

    def age(self, operation: Operation, keys: Keys) -> Age:
        """Return how long ago an operation may first have been sent.

        By the database's clock and by the provider's own: one that was set back must not make an
        old request key look young, nor one that was set on a young one forgotten.
        """
        ours = self.store.now_ms() - operation.started_ms
        told = self.providers.of(operation).now_ms(keys)
        theirs = ours if told is None else told - operation.started_by_provider_ms
        return Age(min(ours, theirs), max(ours, theirs))
