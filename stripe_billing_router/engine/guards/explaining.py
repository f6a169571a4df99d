"""explain and verify: what would happen, and whether the router is fit to run. Sends no payment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

from ...errors import BillingError, ConfigurationError, InvalidRequestError
from ...hashing import key_fingerprint
from ...master_account import STRIPE_MASTER_ACCOUNT_ID
from ...models import (
    AppliedLimit,
    BotId,
    Declared,
    Explanation,
    Fault,
    Policies,
    Reservation,
    Route,
    Verb,
    window_start_ms,
)
from ...money import to_major, to_minor
from ...policy import Demands, Facts, Limit, demands, limits, over_limit
from ...ports import Guard, KeyProvider, Keys, Routes, Store
from ...providers import arguments
from ...redaction import shown
from ..consequences.reactions import WHAT
from .accounts import AccountCheck


class Examiner:
    """Looks at the router's parts without using them."""

    def __init__(
        self,
        routes: Routes,
        keys: KeyProvider,
        accounts: AccountCheck,
        store: Store,
        forecast: Forecast,
        verbs: Mapping[str, Verb],
    ) -> None:
        self._verbs = verbs
        self._routes = routes
        self._keys = keys
        self._accounts = accounts
        self._store = store
        self._forecast = forecast

    def explain(
        self, bot_id: object, verb: object, overrides: object, amount: object = None
    ) -> Explanation:
        """Return what applies to a call of `verb` by this bot; sends nothing.

        `amount` is in major units of the route's currency; None stands for the smallest one.
        """
        bot = BotId.parse(bot_id)
        if not isinstance(verb, str) or verb not in self._verbs:
            raise InvalidRequestError(
                f"{shown(verb)} is not a money verb; pass one of {', '.join(self._verbs)}.",
                parameter="verb",
            )
        wanted = arguments.overrides(overrides)
        found = self._routes.resolve(bot, wanted)
        keys = self._keys.keys()
        fingerprint = key_fingerprint(keys.secret_key)
        minor = 1 if amount is None else to_minor(amount, found.currency)
        facts = Facts(bot, self._verbs[verb], found.region, minor, found.currency)
        refusals, approval = self._forecast.refusals(facts)
        wrong = self._wrong(fingerprint in keys.allowed, found.route)
        return Explanation(
            bot_id=str(bot),
            verb=verb,
            region=found.region,
            route=found.route,
            overrides=wanted,
            currency=found.currency,
            account_id=STRIPE_MASTER_ACCOUNT_ID,
            key_fingerprint=fingerprint,
            key_source=keys.source,
            key_allowed=fingerprint in keys.allowed,
            limits=self._forecast.limits(bot, facts.verb, found.region),
            refusals=(*wrong, *refusals),
            approval=approval,
        )

    def verify(self, bot_ids: Iterable[object]) -> None:
        """Raise one ConfigurationError with everything that would stop a call."""
        pin = self._faults("master_account", self._accounts.check_pin)
        keys: list[Keys] = []
        faults = pin + self._faults("keys", lambda: keys.append(self._keys.keys()))
        if not pin:
            # A ledger is bound to its account for good: none is made for the wrong one.
            faults += self._faults("ledger", lambda: self._store.operation(""))
        if keys and not pin:
            faults += self._faults("account", lambda: self._check_account(keys[0]))
        faults += self._route_faults(bot_ids)
        if faults:
            listed = "\n".join(f"  {fault}" for fault in faults)
            raise ConfigurationError(
                f"The router is not fit to run:\n{listed}\nCorrect this and start again.",
                faults=tuple(tuple(fault) for fault in faults),
            )

    def _wrong(self, key_allowed: bool, route: Route) -> tuple[str, ...]:
        kinds = [] if key_allowed else ["key"]
        if route.account_id not in (None, STRIPE_MASTER_ACCOUNT_ID):
            kinds.append("route_account")
        return tuple(WHAT[kind] for kind in kinds)

    def _check_account(self, keys: Keys) -> None:
        found = self._accounts.discrepancy(None, keys)
        if found is not None:
            named = f" ({found.account_id})" if found.account_id else ""
            raise ConfigurationError(f"{WHAT[found.kind]}{named}")

    def _route_faults(self, bot_ids: Iterable[object]) -> list[Fault]:
        faults = [
            Fault(".".join(key), f"account_id is {route.account_id}, not the master account")
            for key, route in self._routes.routes.items()
            if route.account_id not in (None, STRIPE_MASTER_ACCOUNT_ID)
        ]
        for bot_id in [bot_ids] if isinstance(bot_ids, str) else bot_ids:
            faults += self._faults(shown(bot_id), partial(self._resolve, bot_id))
        return faults

    def _resolve(self, bot_id: object) -> None:
        self._routes.resolve(BotId.parse(bot_id), {})

    def _faults(self, path: str, check: Callable[[], Any]) -> list[Fault]:
        try:
            check()
        except BillingError as error:
            return [Fault(path, str(error))]
        return []


class Forecast:
    """Asks guards and rules as a call would."""

    def __init__(self, policies: Policies, store: Store, guards: Sequence[Guard]) -> None:
        self._policies = policies
        self._store = store
        self._guards = guards

    def limits(self, bot: BotId, verb: Declared, region: str) -> tuple[AppliedLimit, ...]:
        """Return every limit that applies; what is left is None if it cannot be read."""
        found = limits(self._policies, bot, verb, region)
        return tuple(self._applied(limit) for limit in found)

    def refusals(self, facts: Facts) -> tuple[tuple[str, ...], str | None]:
        """Return why the call would be refused, and the rule that would have a person asked.

        An amount that is not known is taken for the smallest.
        """
        reasons: list[str] = []
        for guard in self._guards:
            _collect(reasons, lambda guard=guard: guard.check_bot(facts.bot))  # type: ignore[misc]
        demanded: list[Demands] = []
        _collect(reasons, lambda: demanded.append(demands(self._policies, facts)))
        for part in demanded[0].reservations if demanded else ():
            _collect(reasons, lambda part=part: self._check_room(part))  # type: ignore[misc]
        return tuple(reasons), demanded[0].approval if demanded else None

    def _applied(self, limit: Limit) -> AppliedLimit:
        return AppliedLimit(
            limit.rule, limit.what, limit.limit, self._left(limit), limit.currency, limit.window
        )

    def _left(self, limit: Limit) -> Decimal | int | None:
        if limit.counter is None or limit.window is None or isinstance(limit.limit, tuple | None):
            return None
        try:
            used = self._used(limit.counter, window_start_ms(limit.window, self._store.now_ms()))
        except BillingError:
            return None
        taken = used if limit.currency is None else to_major(used, limit.currency)
        return max(limit.limit - taken, 0 * limit.limit)

    def _check_room(self, part: Reservation) -> None:
        used = self._used(part.counter, window_start_ms(part.per, self._store.now_ms()))
        if part.kind != "restore" and used + part.amount > part.limit:
            raise over_limit(part, max(0, part.limit - used))

    def _used(self, counter: str, start_ms: int) -> int:
        found = self._store.budgets([counter], starts_ms=[start_ms])
        return sum(usage.used for usage in found)


def _collect(reasons: list[str], check: Callable[[], object]) -> None:
    try:
        check()
    except BillingError as error:
        reasons.append(str(error))
