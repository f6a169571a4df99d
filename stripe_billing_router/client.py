"""The router as an object; `stripe_billing_router.charge(...)` is a default router's `charge`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

from .alerts import Alert
from .bootstrap import Assembly, BackgroundRecovery, Given, HostCode, OperatorsDesk, assemble
from .engine import (
    AutomatedRollbackManager,
    Listings,
    RollbackHook,
    SanityLayer,
)
from .models import (
    Balance,
    BillingEvent,
    BotId,
    Charge,
    CheckoutSession,
    Customer,
    Explanation,
    OverrideKey,
    Policies,
    RecoveryReport,
    Refund,
    Result,
    Route,
    RouteKey,
    Subscription,
)
from .ports import Clock, Guard, Observer, Reaction
from .routing import RouteStrategy
from .secrecy import discreet_methods
from .store import DiscrepancyDB, FallbackStore, StripeLedger
from .verbs import LEFT_OUT, VERBS

if TYPE_CHECKING:
    import stripe


@discreet_methods
class BillingRouter:
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

    def charge(
        self,
        bot_id: str,
        amount: Decimal | int | str | float = LEFT_OUT,
        description: str | None = None,
        *,
        price_id: str = LEFT_OUT,
        quantity: int = LEFT_OUT,
        customer_id: str = LEFT_OUT,
        payment_method_id: str = LEFT_OUT,
        on_session: bool = False,
        overrides: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
        metadata: Mapping[str, str] | None = None,
        **params: Any,
    ) -> Charge:
        """Collect `amount` (major units, such as `"19.99"`) from the bot's customer.

        Without `amount` and `price_id` the route's price is billed. None is refused where it would
        change what is paid: leave such an argument out.
        Returns when the money has moved (`paid`) or is on its way (`status` `processing`). With
        `on_session=True` the unconfirmed payment is returned for a front end to finish. The
        payment method is the argument, else the route's, else the customer's default. `params`
        go to Stripe's PaymentIntent create request and are checked against the SDK's own list.

        The same `idempotency_key` gives the same result and never a second payment. Raises the
        errors of `stripe_billing_router.errors`; PaymentDeclinedError, PaymentActionRequiredError
        and OutcomeUnknownError are the ones a bot should know.
        """
        given = {
            "amount": amount,
            "description": description,
            "price_id": price_id,
            "quantity": quantity,
            "customer_id": customer_id,
            "payment_method_id": payment_method_id,
            "on_session": on_session,
        }
        done = self._run("charge", bot_id, given, params, overrides, idempotency_key, metadata)
        return cast("Charge", done)

    def refund(
        self,
        bot_id: str,
        payment_id: str,
        *,
        amount: Decimal | int | str | float = LEFT_OUT,
        reason: str | None = None,
        overrides: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
        metadata: Mapping[str, str] | None = None,
        **params: Any,
    ) -> Refund:
        """Give back a payment (`pi_…`, `ch_…`, `py_…` or `in_…`), whole, or `amount` of it.

        `amount` is in major units of the payment's own currency, never the route's; leave it out,
        rather than pass None, to give back the whole. `reason` is
        `duplicate`, `fraudulent` or `requested_by_customer`.
        """
        given = {"payment_id": payment_id, "amount": amount, "reason": reason}
        done = self._run("refund", bot_id, given, params, overrides, idempotency_key, metadata)
        return cast("Refund", done)

    def create_subscription(
        self,
        bot_id: str,
        *,
        price_id: str = LEFT_OUT,
        customer_id: str = LEFT_OUT,
        quantity: int = LEFT_OUT,
        overrides: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
        metadata: Mapping[str, str] | None = None,
        **params: Any,
    ) -> Subscription:
        """Have a customer pay a recurring price from now on; both are the route's unless given.

        Unless `payment_behavior` is given, a first payment that fails creates nothing and raises.
        """
        given = {"price_id": price_id, "customer_id": customer_id, "quantity": quantity}
        verb = "create_subscription"
        done = self._run(verb, bot_id, given, params, overrides, idempotency_key, metadata)
        return cast("Subscription", done)

    def create_checkout_session(
        self,
        bot_id: str,
        line_items: Sequence[Mapping[str, Any]],
        *,
        customer_id: str = LEFT_OUT,
        mode: str | None = None,
        overrides: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
        metadata: Mapping[str, str] | None = None,
        **params: Any,
    ) -> CheckoutSession:
        """Make a page of Stripe's where the route's customer, or `customer_id`, pays.

        `line_items` are Stripe's, such as `[{"price": "price_…", "quantity": 1}]`. `mode` follows
        from the prices unless given: `subscription` if one recurs, else `payment`. The session
        waits (`state` `requires_action`) until it is completed, expires or is cancelled.
        """
        given = {"line_items": line_items, "customer_id": customer_id, "mode": mode}
        verb = "create_checkout_session"
        done = self._run(verb, bot_id, given, params, overrides, idempotency_key, metadata)
        return cast("CheckoutSession", done)

    def create_customer(
        self,
        bot_id: str,
        customer_info: Mapping[str, Any],
        *,
        overrides: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
        metadata: Mapping[str, str] | None = None,
        **params: Any,
    ) -> Customer:
        """Create a customer from `customer_info`, such as `{"email": …, "name": …}`."""
        given = {"customer_info": customer_info}
        verb = "create_customer"
        done = self._run(verb, bot_id, given, params, overrides, idempotency_key, metadata)
        return cast("Customer", done)

    def get_balance(self, bot_id: str, *, overrides: Mapping[str, str] | None = None) -> Balance:
        """Return the account's balance: `available` and `pending`, major units by currency."""
        read = partial(self._parts.queries.balance, bot_id, overrides)
        return self._parts.calls.run("get_balance", bot_id, read)

    def cancel(self, operation_id: str) -> Result:
        """End an operation that still waits for its customer, and return what it came to.

        The result's `state` is `canceled`, or what overtook the cancellation (`succeeded`).
        """
        work = partial(self._parts.canceller.cancel, operation_id)
        return self._parts.calls.run("cancel", None, work)

    def recover_operations(self, progress: Callable[[int], None] | None = None) -> RecoveryReport:
        """Settle what crashes left behind; safe at any time and from several processes.

        `progress` is called with the number of operations looked at so far.
        """
        return self._parts.recovery.run(progress)

    def history(self, bot_id: str, *, after: int = 0, limit: int = 100) -> list[BillingEvent]:
        """Return what happened to a bot's money, in order: its events after sequence `after`."""
        bot = str(BotId.parse(bot_id))
        return self._parts.store.outbox.history(bot, after=after, limit=limit)

    def iter_master_events(
        self,
        *,
        event_types: Sequence[str] | None = None,
        created: Mapping[str, int] | int | None = None,
        **params: Any,
    ) -> Iterator[dict[str, Any]]:
        """Yield the master account's events, the newest first; Stripe keeps them for 30 days.

        `created` is seconds since the epoch, or a range such as `{"gte": …}`.
        """
        return self._parts.queries.events(event_types, created, params)

    def validate_webhook_account(self, event: Any) -> bool:
        """Return whether an event (a dict or a Stripe event) is the master account's.

        Another account's is told as a critical alert and gives False. Raises WebhookError for a
        malformed event. Nothing is frozen or rolled back, for the event may be a forgery.
        """
        return self._parts.webhook_check.validate(event)

    def explain(
        self,
        bot_id: str,
        verb: str = "charge",
        *,
        amount: Decimal | int | str | float | None = None,
        overrides: Mapping[str, str] | None = None,
    ) -> Explanation:
        """Return which route, key, account, currency and limits would apply, what is left of them,
        and whether the call would pass; sends nothing.

        `amount` is in major units of the route's currency; without one, the smallest is meant.
        """
        return self._parts.examiner.explain(bot_id, verb, overrides, amount)

    def verify_router(self, bot_ids: Iterable[str] = ()) -> None:
        """Check ledger, keys, account, routes, and that `bot_ids` have routes, before start-up.

        Raises one ConfigurationError with every fault found in `.faults`.
        """
        self._parts.examiner.verify(bot_ids)

    def register_route(
        self,
        business_category: str,
        bot_name: str,
        route: Mapping[str, str],
        *,
        domain: str = "stripe",
        region: str = "default",
    ) -> None:
        """Add or replace a route at run time; validated like the file's."""
        self._parts.table.register_route(
            business_category, bot_name, route, domain=domain, region=region
        )

    def register_override(self, rule: Mapping[str, Any]) -> None:
        """Add or replace an override rule at run time.

        `rule` has business_category, bot_name, key, value, route and optionally domain, region.
        """
        self._parts.table.register_override(rule)

    def register_strategy(self, strategy: RouteStrategy) -> None:
        """Add a strategy that may refine every resolved route, after those added before it."""
        self._parts.table.register_strategy(strategy)

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
        self._parts.gateway.close()
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

    def _run(
        self,
        verb: str,
        bot_id: str,
        given: Mapping[str, Any],
        params: Mapping[str, Any],
        overrides: Mapping[str, str] | None,
        idempotency_key: str | None,
        metadata: Mapping[str, str] | None,
    ) -> Any:
        if self._start is not None:
            self._start.once()
        work = partial(
            self._parts.sequence.run,
            VERBS[verb],
            bot_id,
            given,
            params,
            overrides=overrides,
            idempotency_key=idempotency_key,
            metadata=metadata,
        )
        return self._parts.calls.run(verb, bot_id, work)


def operators_desk(router: BillingRouter) -> OperatorsDesk:
    """Return where people decide for a router. No method of it, so that bots do not hold it."""
    return router._parts.desk


def assembly_of(router: BillingRouter) -> Assembly:
    """Return the parts of a router, for rooms of the library that work with them."""
    return router._parts
