"""Connects the parts of one router; opens no database and no connection."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ..config import RoutingFile, Settings, check_parts, load_settings
from ..domain import Domain
from ..engine import (
    AccountCheck,
    Approvals,
    Calls,
    Canceller,
    Closing,
    Examiner,
    Follower,
    Forecast,
    FreezeGuard,
    Leases,
    Listings,
    ObservedTransport,
    Observers,
    OperationSequence,
    OperatorsDesk,
    Parts,
    Policing,
    Queries,
    Reactions,
    Recovery,
    Sender,
    Shown,
    SystemClock,
    Trust,
    WebhookAccountCheck,
    provably_alive,
)
from ..frozen import frozen
from ..keys import KeyRing
from ..master_account import STRIPE_MASTER_ACCOUNT_ID
from ..models import BotId, Policies, Verbs
from ..policy import admits
from ..ports import Books, Clock, Event, Guard, WebhookReader
from ..providers import Providers
from ..providers.manual import ManualProvider
from ..providers.stripe.books import StripeBooks
from ..providers.stripe.gateway import StripeGateway
from ..providers.stripe.provider import StripeProvider
from ..providers.stripe.verbs import StripeVerb, names_in
from ..providers.stripe.webhooks import StripeWebhooks
from ..routing import RoutingTable
from ..store import FallbackStore, Sealing, SqlStore
from ..telemetry import telemetry
from .consequences import Consequences, connect_consequences
from .domains import installed
from .given import Given
from .verbs import PROVIDERS, all_verbs, routing_file


@frozen
class Assembly:
    """The parts of one router. `domains` are the settings of installed domains by their names."""

    settings: Settings
    table: RoutingTable
    keys: KeyRing
    store: FallbackStore
    providers: Providers
    books: Books
    webhooks: WebhookReader
    sequence: OperationSequence
    canceller: Canceller
    desk: OperatorsDesk
    recovery: Recovery
    queries: Queries
    listings: Listings
    examiner: Examiner
    webhook_check: WebhookAccountCheck
    consequences: Consequences
    engine: Parts
    follower: Follower
    observers: Observers
    calls: Calls
    domains: Mapping[str, Any]


def assemble(given: Given) -> Assembly:
    """Read settings and routing file and connect the parts."""
    check_parts(guards=given.guards, observers=given.observers, reactions=given.reactions)
    environ = os.environ if given.environ is None else given.environ
    settings = load_settings(
        environ,
        _working_directory(),
        routing_config=given.config,
        home=given.home,
        ledger_url=given.ledger_url,
        ledger_fallback=given.ledger_fallback,
        api_base=given.api_base,
    )
    domains = installed()
    verbs, file = all_verbs(), routing_file(settings.routing_config)
    policies = file.policies if given.policies is None else given.policies.knowing(file.routes)
    clock = given.clock or SystemClock()
    gateway = StripeGateway(
        api_base=settings.api_base,
        http_timeout=file.recovery.http_timeout,
        http_client=given.http_client,
    )
    keys = _keys(given, environ, file, clock)
    # The store tells observers, some of which write to the store: they are connected last.
    store = _store(settings, file, clock, keys, lambda event: observers.tell(event), domains, verbs)
    table = RoutingTable(
        file.routes,
        file.overrides,
        file.default_currency,
        admits=partial(admits, policies),
    )

    def freeze(bot: BotId, reason: str) -> None:
        desk.freeze(str(bot), reason, by="automated rollback")

    consequences = connect_consequences(
        given,
        environ,
        settings,
        file,
        store,
        table,
        clock,
        freeze if policies.freeze_on_discrepancy else None,
        lambda event: observers.tell(event),
    )
    observers = Observers([*consequences.observers, *telemetry(given.observers), *given.observers])
    reactions = Reactions([*consequences.reactions, *given.reactions])
    desk = OperatorsDesk(store, observers)
    guards = (FreezeGuard(store), *_guards(domains, store, file), *given.guards)
    shown = Shown(
        operation=lambda operation: follower.witness(operation, providers.verb_of(operation)),
        renewal=lambda invoice: provider.renewal(invoice, keys.keys()),
        names=names_in,
    )
    transport = ObservedTransport(gateway, observers, clock)
    provider = StripeProvider(gateway, transport, verbs, store, keys, clock)
    providers = Providers(
        dict(zip(PROVIDERS, (provider, ManualProvider(store)), strict=True)), file.providers
    )
    parts = _parts(
        guards,
        store,
        providers,
        settings,
        table,
        keys,
        clock,
        file,
        observers,
        reactions,
        policies,
        verbs,
        shown,
    )
    accounts, books, webhooks = parts.accounts, StripeBooks(provider.reader), StripeWebhooks()
    follower = Follower(keys, accounts, providers, parts.closing, parts.trust)
    canceller = Canceller(store, accounts, follower, parts.closing, parts.trust, providers)
    return Assembly(
        settings=settings,
        table=table,
        keys=keys,
        store=store,
        providers=providers,
        books=books,
        webhooks=webhooks,
        sequence=OperationSequence(parts, follower),
        canceller=canceller,
        desk=desk,
        recovery=Recovery(parts, canceller, follower, observers, file.recovery.complete_within),
        queries=Queries(table, keys, accounts, books, parts.guards, providers),
        listings=Listings(keys, accounts, books, clock, provider.now_ms),
        examiner=Examiner(
            table, keys, accounts, store, Forecast(policies, store, parts.guards), verbs
        ),
        webhook_check=WebhookAccountCheck(webhooks, observers, reactions),
        consequences=consequences,
        engine=parts,
        follower=follower,
        observers=observers,
        calls=Calls(observers, clock, sandbox=settings.is_sandbox),
        domains=file.domains,
    )


def _working_directory() -> Path:
    """Return the working directory; one that is gone matters only to what is searched from it."""
    try:
        return Path.cwd()
    except OSError:
        return Path("/")


def _store(
    settings: Settings,
    file: RoutingFile,
    clock: Clock,
    keys: KeyRing,
    tell: Callable[[Event], None],
    domains: Sequence[Domain],
    verbs: Verbs[StripeVerb],
) -> FallbackStore:
    database = SqlStore(
        settings.ledger_url,
        clock,
        account_id=STRIPE_MASTER_ACCOUNT_ID,
        api_base=settings.api_base,
        is_alive=provably_alive,
        lock_timeout=file.recovery.lock_timeout,
        sealing=Sealing(keys.seals),
        domains=domains,
        verbs=verbs,
    )
    return FallbackStore(
        database,
        settings.ledger_fallback,
        clock,
        is_alive=provably_alive,
        tell=tell,
        keyless_while_away=file.recovery.keyless_while_away,
    )


def _keys(given: Given, environ: Mapping[str, str], file: RoutingFile, clock: Clock) -> KeyRing:
    return KeyRing(
        environ=environ,
        given_secret=given.secret_key,
        given_public=given.public_key,
        file_allowed=file.allowed_secret_keys,
        file_accounts=file.key_accounts,
        elapsed=clock.elapsed,
    )


def _guards(domains: Sequence[Domain], store: FallbackStore, file: RoutingFile) -> list[Guard]:
    """Return the domains' guards, which ask after ours and before the host's."""
    return [
        guard
        for domain in domains
        if domain.guards is not None
        for guard in domain.guards(store, file.domains[domain.name])
    ]


def _parts(
    guards: Sequence[Guard],
    store: FallbackStore,
    providers: Providers,
    settings: Settings,
    table: RoutingTable,
    keys: KeyRing,
    clock: Clock,
    file: RoutingFile,
    observers: Observers,
    reactions: Reactions,
    policies: Policies,
    verbs: Verbs[StripeVerb],
    shown: Shown,
) -> Parts:
    leases = Leases(store, clock, providers.longest_send, providers.sendable_for_ms)
    approvals = Approvals(store, observers)
    policing = Policing(policies, store, approvals, verbs, shown)
    return Parts(
        store=store,
        providers=providers,
        routes=table,
        keys=keys,
        clock=clock,
        accounts=AccountCheck(providers.default, reactions, clock, settings.api_base, store.now_ms),
        leases=leases,
        sender=Sender(store, providers, keys, clock, leases, file.recovery.retry_for),
        closing=Closing(store, clock, observers, reactions, policing.counted),
        policing=policing,
        approvals=approvals,
        trust=Trust(store, observers),
        guards=guards,
        in_progress_wait=file.recovery.in_progress_wait,
        verbs=verbs,
    )
