"""Which route applies to a call: the file's, what was registered over it, overrides, strategies."""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterator, Mapping, ValuesView
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final, NoReturn, TypeVar

from ..errors import InvalidRequestError, PolicyViolationError, RouteConfigurationError
from ..locks import ForkSafeLock
from ..models.bots import DEFAULT_DOMAIN, DEFAULT_REGION, BotId
from ..models.routes import (
    KEY_FIELDS,
    Fault,
    OverrideKey,
    ResolvedRoute,
    Route,
    RouteKey,
    clean_fields,
)
from ..money import currency
from ..redaction import exact, shown
from .checks import checked_fields, checked_names, checked_rule, misnamed, plainly, refuse_faulty
from .names import REGION
from .refusals import conflict, is_of, no_route, no_rule
from .strategies import RouteStrategy, refined

K = TypeVar("K")
V = TypeVar("V")


class Layers(Mapping[K, V]):
    """The file's entries with the registered ones over them. Writers share one lock."""

    def __init__(self, base: Mapping[K, V], lock: ForkSafeLock) -> None:
        self._base = dict(base)
        self._upper: dict[K, V] = {}
        self._lock = lock

    def __getitem__(self, key: K) -> V:
        try:
            return self._upper[key]
        except KeyError:
            return self._base[key]

    def __iter__(self) -> Iterator[K]:
        return iter(self._snapshot())

    def __len__(self) -> int:
        return len(self._snapshot())

    def __repr__(self) -> str:
        return f"<{len(self)} entries>"

    # Views over a snapshot: an entry may be dropped while a caller iterates.
    def items(self) -> ItemsView[K, V]:
        return self._snapshot().items()

    def values(self) -> ValuesView[V]:
        return self._snapshot().values()

    def put(self, key: K, value: V) -> None:
        with self._lock:
            self._upper[key] = value

    def drop(self, condition: Callable[[K], bool]) -> None:
        with self._lock:
            for key in [key for key in self._upper if condition(key)]:
                del self._upper[key]

    def _snapshot(self) -> dict[K, V]:
        with self._lock:
            return {**self._base, **self._upper}


_NOTHING: Final[Mapping[Any, Any]] = MappingProxyType({})


class RoutingTable:
    """The routes of every bot.

    `routes` and `overrides` are the file's, checked by whoever read it; what is registered later
    lies over them and is kept apart; `admits` says which routes may be. Reading takes no lock: safe
    while other threads register.
    """

    def __init__(
        self,
        routes: Mapping[RouteKey, Route],
        overrides: Mapping[OverrideKey, Mapping[str, str]] = _NOTHING,
        default_currency: str = "usd",
        *,
        admits: Callable[[RouteKey], bool] = lambda _: True,
    ) -> None:
        lock = ForkSafeLock()
        self._routes = Layers(routes, lock)
        self._overrides = Layers(overrides, lock)
        self._default_currency = currency(default_currency).code
        self._admits = admits
        self._strategies: tuple[RouteStrategy, ...] = ()
        self._lock = lock

    @property
    def routes(self) -> Mapping[RouteKey, Route]:
        """A live, read-only view; may be iterated while others register."""
        return self._routes

    @property
    def overrides(self) -> Mapping[OverrideKey, Mapping[str, str]]:
        """Every override rule in force, live and read-only, safe to iterate."""
        return self._overrides

    def resolve(self, bot: BotId, overrides: Mapping[str, str] | None = None) -> ResolvedRoute:
        """Return the route of one call, in time that does not depend on the table's size.

        `overrides={"region": "eu"}` chooses a region; every other pair asks for a rule.
        RouteNotFoundError if domain, category, bot, region or rule does not exist;
        RouteConfigurationError if two rules disagree or a strategy misbehaves.
        """
        wanted = wanted_of(overrides)
        region = wanted.pop(REGION, DEFAULT_REGION)
        route = self._routes.get((bot.domain, region, bot.category, bot.name))
        if route is None:
            no_route(bot, region, self._routes)
        if wanted:
            route = self._overridden(bot, region, route, wanted)
        for strategy in self._strategies:
            route = refined(strategy, bot, route)
        return ResolvedRoute(region, route, (route.currency or self._default_currency).lower())

    def register_route(
        self,
        business_category: str,
        bot_name: str,
        route: Route | Mapping[str, str],
        *,
        domain: str = DEFAULT_DOMAIN,
        region: str = DEFAULT_REGION,
    ) -> None:
        """Lay a route over the file's. RouteConfigurationError with every fault if malformed,
        PolicyViolationError for a bot that the file does not name where those are refused."""
        names = (exact(domain), exact(region), exact(business_category), exact(bot_name))
        path, faults = checked_names(names)
        fields, wrong = checked_fields(route, path, partial=False)
        refuse_faulty(faults + wrong, "correct the call of register_route() and repeat it.")
        if not self._admits(names):
            raise _new_bot(BotId(names[0], *names[2:]), names[1])
        self._routes.put(names, Route(**clean_fields(fields)))

    def register_override(self, rule: Mapping[str, Any]) -> None:
        """Lay an override rule over the file's.

        Keys: business_category, bot_name, key, value, route (a partial one), and optionally
        domain and region. RouteConfigurationError with every fault if malformed.
        """
        then = "correct the call of register_override() and repeat it."
        if not isinstance(rule, Mapping):
            refuse_faulty([Fault("", f"the rule is not a mapping but {shown(rule)}")], then)
        given = {"domain": DEFAULT_DOMAIN, "region": DEFAULT_REGION, **plainly(rule)}
        refuse_faulty(misnamed(given), then)
        names = tuple(given[n] for n in ("domain", "region", "business_category", "bot_name"))
        path, faults = checked_names(names)
        faults += checked_rule(path, given["key"], given["value"])
        fields, wrong = checked_fields(given["route"], path, partial=True)
        refuse_faulty(faults + wrong, then)
        self._overrides.put((*names, given["key"], given["value"]), clean_fields(fields))

    def register_strategy(self, strategy: RouteStrategy) -> None:
        """Apply `strategy` to every resolved route, after those registered before it.

        Registering the same object again changes nothing.
        """
        if isinstance(strategy, type) or not callable(getattr(strategy, "apply", None)):
            raise RouteConfigurationError(
                f"{shown(strategy)} is not a route strategy; register an object that has "
                "apply(bot_id, route)."
            )
        with self._lock:
            if not any(strategy is known for known in self._strategies):
                self._strategies = (*self._strategies, strategy)

    def forget_registered(self, bot: BotId) -> None:
        """Drop what was registered for this bot: its routes and overrides are the file's again."""
        self._routes.drop(lambda key: is_of(bot, key))
        self._overrides.drop(lambda key: is_of(bot, key))

    def _overridden(
        self, bot: BotId, region: str, route: Route, wanted: Mapping[str, str]
    ) -> Route:
        fields: dict[str, str] = {}
        for key, value in wanted.items():
            for field, new in self._rule(bot, region, key, value).items():
                if fields.setdefault(field, new) != new:
                    conflict(bot, field, wanted)
        return replace(route, **fields)

    def _rule(self, bot: BotId, region: str, key: str, value: str) -> Mapping[str, str]:
        for place in dict.fromkeys((region, DEFAULT_REGION)):
            found = self._overrides.get((bot.domain, place, bot.category, bot.name, key, value))
            if found is not None:
                return found
        raise no_rule(bot, region, key, value, self._overrides)


def _new_bot(bot: BotId, region: str) -> PolicyViolationError:
    return PolicyViolationError(
        "policies.new_bots refuses bots, or regions of theirs, that the routing file does not name "
        f"or no rule matches, such as {bot} in {region}. Have a person add it to the file.",
        rule="new_bots",
    )


def wanted_of(overrides: object) -> dict[str, str]:
    """Return a plain copy of the caller's overrides, or refuse them."""
    if overrides is None:
        return {}
    if not isinstance(overrides, Mapping):
        _refuse_overrides(f"are {shown(overrides)}")
    copy = dict(overrides)
    for key, value in copy.items():
        if not isinstance(key, str) or not isinstance(value, str):
            _refuse_overrides(f"hold {shown(key)}: {shown(value)}")
        if key.lower() in KEY_FIELDS:
            _refuse_overrides(f"name {key}, and keys come from Vault or the environment only")
    return copy


def _refuse_overrides(what: str) -> NoReturn:
    raise InvalidRequestError(
        f"The overrides {what}; give a mapping of text to text, such as {{'region': 'eu'}}.",
        parameter="overrides",
    )
