"""Puts the parts together. The only file that names concrete adapters."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .alerts import LogObserver, LogReaction
from .config import Recovery as RecoveryTimes
from .config import RoutingFile, Settings, load_routing_file, load_settings
from .engine import (
    AccountCheck,
    BackgroundRecovery,
    Canceller,
    Closing,
    Examiner,
    Follower,
    Leases,
    Lookups,
    Observers,
    OperationSequence,
    Parts,
    Queries,
    Reactions,
    Reader,
    Recovery,
    Runner,
    SystemClock,
    WebhookAccountCheck,
    provably_alive,
)
from .gateway import StripeGateway
from .keys import KeyRing
from .master_account import STRIPE_MASTER_ACCOUNT_ID
from .ports import Clock, Guard, Observer, Reaction
from .routing import RoutingTable
from .store import SqlStore

if TYPE_CHECKING:
    import stripe


@dataclass(frozen=True, slots=True)
class Given:
    """What a host gives in code; None means: from the environment or the routing file."""

    config: str | Path | None = None
    secret_key: str | None = None
    public_key: str | None = None
    home: str | Path | None = None
    ledger_url: str | None = None
    api_base: str | None = None
    http_client: stripe.HTTPClient | None = None
    clock: Clock | None = None
    guards: Sequence[Guard] = ()
    observers: Sequence[Observer] = ()
    reactions: Sequence[Reaction] = ()
    environ: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Assembly:
    """The parts of one router."""

    settings: Settings
    table: RoutingTable
    keys: KeyRing
    store: SqlStore
    gateway: StripeGateway
    sequence: OperationSequence
    canceller: Canceller
    recovery: Recovery
    queries: Queries
    examiner: Examiner
    webhook_check: WebhookAccountCheck


def assemble(given: Given) -> Assembly:
    """Read settings and routing file and connect the parts; opens no database or connection."""
    environ = os.environ if given.environ is None else given.environ
    settings = load_settings(
        environ,
        _working_directory(),
        routing_config=given.config,
        home=given.home,
        ledger_url=given.ledger_url,
        api_base=given.api_base,
    )
    file = load_routing_file(settings.routing_config)
    clock = given.clock or SystemClock()
    store = SqlStore(
        settings.ledger_url,
        clock,
        account_id=STRIPE_MASTER_ACCOUNT_ID,
        api_base=settings.api_base,
        is_alive=provably_alive,
    )
    gateway = StripeGateway(
        api_base=settings.api_base,
        http_timeout=file.recovery.http_timeout,
        http_client=given.http_client,
    )
    keys = _keys(given, environ, file, clock)
    table = RoutingTable(file.routes, file.overrides, file.default_currency)
    observers = Observers([LogObserver(), *given.observers])
    parts = _parts(given, store, gateway, table, keys, clock, file.recovery, observers)
    accounts, reader = parts.accounts, parts.reader
    follower = Follower(keys, accounts, reader, parts.closing)
    canceller = Canceller(store, accounts, follower, parts.closing)
    return Assembly(
        settings=settings,
        table=table,
        keys=keys,
        store=store,
        gateway=gateway,
        sequence=OperationSequence(parts, follower),
        canceller=canceller,
        recovery=Recovery(parts, canceller, observers, file.recovery.complete_within),
        queries=Queries(table, keys, accounts, reader, parts.guards),
        examiner=Examiner(table, keys, accounts, store),
        webhook_check=WebhookAccountCheck(observers),
    )


def _working_directory() -> Path:
    """Return the working directory; one that is gone matters only to what is searched from it."""
    try:
        return Path.cwd()
    except OSError:
        return Path("/")


def _keys(given: Given, environ: Mapping[str, str], file: RoutingFile, clock: Clock) -> KeyRing:
    return KeyRing(
        environ=environ,
        given_secret=given.secret_key,
        given_public=given.public_key,
        file_allowed=file.allowed_secret_keys,
        file_accounts=file.key_accounts,
        elapsed=clock.elapsed,
    )


def _parts(
    given: Given,
    store: SqlStore,
    gateway: StripeGateway,
    table: RoutingTable,
    keys: KeyRing,
    clock: Clock,
    recovery: RecoveryTimes,
    observers: Observers,
) -> Parts:
    reader = Reader(gateway, clock)
    reactions = Reactions([LogReaction(), *given.reactions])
    leases = Leases(store, clock, gateway.longest_send)
    return Parts(
        store=store,
        provider=gateway,
        routes=table,
        keys=keys,
        clock=clock,
        reader=reader,
        accounts=AccountCheck(reader, reactions, clock, gateway.api_base, store.now_ms),
        lookups=Lookups(reader, store, clock),
        leases=leases,
        runner=Runner(store, gateway, keys, clock, leases, recovery.retry_for),
        closing=Closing(store, clock, observers, reactions),
        guards=tuple(given.guards),
        in_progress_wait=recovery.in_progress_wait,
    )


__all__ = ["Assembly", "BackgroundRecovery", "Given", "assemble"]
