"""What bots ask of a router: its verbs, whose signatures are written here and nowhere else.

`api` makes functions of them, and `aio` coroutines. Little is loaded for it; a router loads more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from .errors import InvalidRequestError
from .models import (
    LEFT_OUT,
    Balance,
    Charge,
    CheckoutSession,
    Customer,
    Explanation,
    Refund,
    Result,
    Subscription,
)
from .secrecy import discreet_methods

if TYPE_CHECKING:
    from .bootstrap import Assembly, BackgroundRecovery
    from .routing import RouteStrategy


@discreet_methods
class Door:
    """The verbs of a router. Those that move money have their arguments checked by the verb."""

    _parts: Assembly
    _start: BackgroundRecovery | None

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
        return cast("Charge", self._run("charge", locals()))

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
        return cast("Refund", self._run("refund", locals()))

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
        return cast("Subscription", self._run("create_subscription", locals()))

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
        return cast("CheckoutSession", self._run("create_checkout_session", locals()))

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
        return cast("Customer", self._run("create_customer", locals()))

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

    def _run(self, verb: str, asked: Mapping[str, Any]) -> Result:
        """Run a money verb. `asked` is all that its method was called with."""
        if self._start is not None:
            self._start.once()
        work = partial(
            self._parts.sequence.run,
            verb,
            asked["bot_id"],
            {name: value for name, value in asked.items() if name not in _OF_EVERY_VERB},
            asked["params"],
            overrides=asked["overrides"],
            idempotency_key=asked["idempotency_key"],
            metadata=asked["metadata"],
        )
        return self._parts.calls.run(verb, asked["bot_id"], work)


_OF_EVERY_VERB = frozenset("self bot_id overrides idempotency_key metadata params".split())
"""What every verb's method takes; the rest are the verb's own arguments."""


def run_verb(
    router: Door,
    verb: str,
    bot_id: str,
    arguments: Mapping[str, Any],
    *,
    overrides: Mapping[str, str] | None = None,
    idempotency_key: str | None = None,
    metadata: Mapping[str, str] | None = None,
    **params: Any,
) -> Result:
    """Run a verb by its name, such as a domain's own. What is left out of `arguments` has the
    default that the verb declares. Raises as the methods do."""
    declared = router._parts.engine.verbs[verb].arguments
    given = {**declared._field_defaults, **arguments}
    if given.keys() != set(declared._fields):
        raise InvalidRequestError(f"{verb} takes {', '.join(declared._fields)}; pass these.")
    every = {"overrides": overrides, "idempotency_key": idempotency_key, "metadata": metadata}
    return router._run(verb, {**given, **every, "bot_id": bot_id, "params": params})
