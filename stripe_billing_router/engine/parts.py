"""What the engine's rooms work with, put together once for each router."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..ports import Clock, Guard, KeyProvider, PaymentProvider, Routes, Store
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
