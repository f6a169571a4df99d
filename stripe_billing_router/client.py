"""The router as an object; `stripe_billing_router.charge(...)` is a default router's `charge`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from .alerts import Alert
from .bootstrap import Assembly, BackgroundRecovery, Given, HostCode, OperatorsDesk, assemble
from .door import Door
from .engine import (
    AutomatedRollbackManager,
    Listings,
    RollbackHook,
    SanityLayer,
)
from .models import (
    BillingEvent,
    BotId,
    OverrideKey,
    Policies,
    RecoveryReport,
    Route,
    RouteKey,
)
from .ports import Clock, Guard, Observer, Reaction
from .secrecy import discreet_methods
from .store import DiscrepancyDB, FallbackStore, StripeLedger

if TYPE_CHECKING:
    import stripe


@discreet_methods
class BillingRouter(Door):
    """The door to Stripe: routes, checks, writes down, sends at most once, proves.

    Everything is optional and comes from the environment and the routing file where it is not
    given. `config` is the routing file, `ledger_url` an SQLAlchemy URL, `ledger_fallback` the
    journal's path, `home` the folder where relative paths start. `policies` stand in for the
    file's; `guards` may veto calls, `observers` are told, `reactions` follow a failed check.
    `menace_sanity_layer`, `alert_dispatcher`, `rollback_manager` and `rollback_hooks` are the
    host's own code, as in the file's section `hooks`. `data_home` is where finance_logs/ and
    training_data/ are written, if not below `home`.

    Making a router reads the routing file and imports its hooks; the database and Stripe come at
    first use, and then, unless `recover_at_start` is off, what crashes left behind is settled in
    the background. Safe under threads and after `fork`. Raises ConfigurationError with every fault.
    """

    def __init__(
        self,
        config: str | Path | None = None,
        *,
        secret_key: str | None = None,
        public_key: str | None = None,
        home: str | Path | None = None,
        ledger_url: str | None = None,
        ledger_fallback: str | Path | None = None,
        api_base: str | None = None,
        http_client: stripe.HTTPClient | None = None,
        clock: Clock | None = None,
        policies: Policies | None = None,
        guards: Sequence[Guard] = (),
        observers: Sequence[Observer] = (),
        reactions: Sequence[Reaction] = (),
        environ: Mapping[str, str] | None = None,
        recover_at_start: bool = True,
        menace_sanity_layer: Any = None,
        alert_dispatcher: Callable[[Alert], object] | None = None,
        rollback_manager: Any = None,
        rollback_hooks: Sequence[RollbackHook] = (),
        data_home: str | Path | None = None,
    ) -> None:
        self._start = BackgroundRecovery(self.recover_operations) if recover_at_start else None
        self._parts = assemble(
            Given(
                config,
                secret_key,
                public_key,
                home,
                ledger_url,
                ledger_fallback,
                api_base,
                http_client,
                clock,
                policies,
                guards,
                observers,
                reactions,
                environ,
                HostCode(
                    menace_sanity_layer, alert_dispatcher, rollback_manager, tuple(rollback_hooks)
                ),
                data_home,
            )
        )

    def recover_operations(self, progress: Callable[[int], None] | None = None) -> RecoveryReport:
        """Settle what crashes left behind; safe at any time and from several processes.

        `progress` is called with the number of operations looked at so far.
        """
        report = self._parts.recovery.run(progress)
        self._parts.store.catch_up()
        return report

    def history(self, bot_id: str, *, after: int = 0, limit: int = 100) -> list[BillingEvent]:
        """Return what happened to a bot's money, in order: its events after sequence `after`."""
        bot = str(BotId.parse(bot_id))
        return self._parts.store.outbox.history(bot, after=after, limit=limit)

    @property
    def routes(self) -> Mapping[RouteKey, Route]:
        """A live, read-only view of the routes in force."""
        return self._parts.table.routes

    @property
    def overrides(self) -> Mapping[OverrideKey, Mapping[str, str]]:
        """A live, read-only view of the override rules in force."""
        return self._parts.table.overrides

    @property
    def listings(self) -> Listings:
        """Everything that the master account holds, for those who check the books."""
        return self._parts.listings

    @property
    def store(self) -> FallbackStore:
        """The database of this router, with its journal."""
        return self._parts.store

    @property
    def ledger(self) -> StripeLedger:
        """The ledger of this router's database."""
        return self._parts.store.ledger

    @property
    def discrepancies(self) -> DiscrepancyDB:
        """The failed checks that this router's database knows of."""
        return self._parts.store.discrepancies

    @property
    def sanity_layer(self) -> SanityLayer:
        """Where anomalies are recorded and listed."""
        return self._parts.consequences.sanity

    @property
    def rollback_manager(self) -> AutomatedRollbackManager:
        """What takes a bot back to the routing file."""
        return self._parts.consequences.rollback

    def close(self) -> None:
        """Send what alerts are queued, for some seconds, and close connections. A router that is
        used again opens them again."""
        if self._start is not None:
            self._start.wait()
        self._parts.consequences.sender.close()
        self._parts.providers.close()
        self._parts.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        settings = self._parts.settings
        where = ", sandbox" if settings.is_sandbox else ""
        return f"BillingRouter({str(settings.routing_config)!r}{where})"


def operators_desk(router: BillingRouter) -> OperatorsDesk:
    """Return where people decide for a router. No method of it, so that bots do not hold it."""
    return router._parts.desk


def assembly_of(router: BillingRouter) -> Assembly:
    """Return the parts of a router, for rooms of the library that work with them."""
    return router._parts
