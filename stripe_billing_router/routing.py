"""Which route applies to a call: the file's, what was registered over it, overrides, strategies."""

from __future__ import annotations

import difflib
from abc import abstractmethod
from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping, ValuesView
from dataclasses import replace
from itertools import islice
from types import MappingProxyType
from typing import Any, Final, NoReturn, Protocol, TypeVar

from .errors import InvalidRequestError, RouteConfigurationError, RouteNotFoundError
from .locks import ForkSafeLock
from .models.bots import DEFAULT_DOMAIN, DEFAULT_REGION, NAME, BotId
from .models.routes import (
    KEY_FIELDS,
    Fault,
    OverrideKey,
    ResolvedRoute,
    Route,
    RouteKey,
    check_route,
    clean_fields,
)
from .money import currency
from .redaction import redact, shown

REGION: Final = "region"
"""The override key that chooses the region of a call; no rule may use it."""

_RULE_NEEDS = ("business_category", "bot_name", "key", "value", "route")
_RULE_KEYS = (*_RULE_NEEDS, "domain", "region")
_NOTHING: Final[Mapping[Any, Any]] = MappingProxyType({})

K = TypeVar("K")
V = TypeVar("V")


class RouteStrategy(Protocol):
    """Code of the host that refines a resolved route. Subclass it, or just have the method."""

    @abstractmethod
    def apply(self, bot_id: str, route: Route) -> Route | Mapping[str, str]:
        """Return the whole route to bill with; `bot_id` is canonical. It is checked like a file's.

        It runs inside every call, so it should be quick; it may not set keys. Whatever it raises
        reaches the caller as RouteConfigurationError.
        """
        ...


class RoutingTable:
    """The routes of every bot.

    `routes` and `overrides` are the file's, checked by whoever read it; what is registered later
    lies over them and is kept apart. Reading takes no lock: safe while other threads register.
    """

    def __init__(
        self,
        routes: Mapping[RouteKey, Route],
        overrides: Mapping[OverrideKey, Mapping[str, str]] = _NOTHING,
        default_currency: str = "usd",
    ) -> None:
        lock = ForkSafeLock()
        self._routes = _Layers(routes, lock)
        self._overrides = _Layers(overrides, lock)
        self._default_currency = currency(default_currency).code
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
        wanted = _wanted(overrides)
        region = wanted.pop(REGION, DEFAULT_REGION)
        route = self._routes.get((bot.domain, region, bot.category, bot.name))
        if route is None:
            _no_route(bot, region, self._routes)
        if wanted:
            route = self._overridden(bot, region, route, wanted)
        for strategy in self._strategies:
            route = _refined(strategy, bot, route)
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
        """Lay a route over the file's. RouteConfigurationError with every fault if malformed."""
        names = (domain, region, business_category, bot_name)
        path, faults = _checked_names(names)
        fields, wrong = _checked_fields(route, path, partial=False)
        _refuse_faulty(faults + wrong, "correct the call of register_route() and repeat it.")
        self._routes.put(names, Route(**clean_fields(fields)))

    def register_override(self, rule: Mapping[str, Any]) -> None:
        """Lay an override rule over the file's.

        Keys: business_category, bot_name, key, value, route (a partial one), and optionally
        domain and region. RouteConfigurationError with every fault if malformed.
        """
        then = "correct the call of register_override() and repeat it."
        if not isinstance(rule, Mapping):
            _refuse_faulty([Fault("", f"the rule is not a mapping but {shown(rule)}")], then)
        given = {"domain": DEFAULT_DOMAIN, "region": DEFAULT_REGION, **rule}
        _refuse_faulty(_misnamed(given), then)
        names = tuple(given[n] for n in ("domain", "region", "business_category", "bot_name"))
        path, faults = _checked_names(names)
        faults += _checked_rule(path, given["key"], given["value"])
        fields, wrong = _checked_fields(given["route"], path, partial=True)
        _refuse_faulty(faults + wrong, then)
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
        self._routes.drop(lambda key: _is_of(bot, key))
        self._overrides.drop(lambda key: _is_of(bot, key))

    def _overridden(
        self, bot: BotId, region: str, route: Route, wanted: Mapping[str, str]
    ) -> Route:
        fields: dict[str, str] = {}
        for key, value in wanted.items():
            for field, new in self._rule(bot, region, key, value).items():
                if fields.setdefault(field, new) != new:
                    _conflict(bot, field, wanted)
        return replace(route, **fields)

    def _rule(self, bot: BotId, region: str, key: str, value: str) -> Mapping[str, str]:
        for place in dict.fromkeys((region, DEFAULT_REGION)):
            found = self._overrides.get((bot.domain, place, bot.category, bot.name, key, value))
            if found is not None:
                return found
        raise _no_rule(bot, region, key, value, self._overrides)


def wrong_name(value: object) -> str | None:
    """Return what is wrong with the name of a domain, region, category or bot; None if nothing."""
    if not isinstance(value, str):
        return f"is not text but {shown(value)}"
    if redact(value) != value:
        return "holds a key; keys come from Vault or the environment only"
    if not NAME.fullmatch(value):
        return (
            f"is {shown(value)}; use letters, digits, '_', '-' and '.', "
            "beginning with a letter or a digit, at most 64 characters"
        )
    return None


def wrong_override_key(key: object) -> str | None:
    """Return what is wrong with the key of an override rule; None if nothing."""
    if key == REGION:
        return "'region' is reserved: it chooses the region of a call"
    if isinstance(key, str) and key.lower() in KEY_FIELDS:
        return f"{key} does not belong here; keys come from Vault or the environment only"
    return wrong_override_value(key)


def wrong_override_value(value: object) -> str | None:
    """Return what is wrong with the value of an override rule; None if nothing."""
    if not isinstance(value, str):
        return f"is not text but {shown(value)}"
    if redact(value) != value:
        return "holds a key; keys come from Vault or the environment only"
    if not value.isprintable() or not 0 < len(value) <= 255:
        return f"is {shown(value)}; use 1 to 255 printable characters"
    return None


def dotted(names: Iterable[object]) -> str:
    """Return names as one path for a message; what is not a name is quoted and redacted."""
    return ".".join(shown(name) if wrong_name(name) else str(name) for name in names)


class _Layers(Mapping[K, V]):
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


def _is_of(bot: BotId, key: RouteKey | OverrideKey) -> bool:
    return key[0] == bot.domain and key[2] == bot.category and key[3] == bot.name


def _wanted(overrides: object) -> dict[str, str]:
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


def _refined(strategy: RouteStrategy, bot: BotId, route: Route) -> Route:
    fields, faults = _asked(strategy, bot, route)
    if faults:
        name = f"{type(strategy).__module__}.{type(strategy).__qualname__}"
        _refuse_faulty(
            [Fault(f"strategy {name} for {bot}", message) for _, message in faults],
            f"mend {name}.apply(), or do not register it.",
        )
    return Route(**clean_fields(fields))


def _asked(
    strategy: RouteStrategy, bot: BotId, route: Route
) -> tuple[Mapping[str, Any], list[Fault]]:
    try:
        return _checked_fields(strategy.apply(str(bot), route), "", partial=False)
    except Exception as error:  # noqa: BLE001 - the host's code may raise anything
        return {}, [Fault("", f"raised {shown(error)}")]


def _checked_names(names: tuple[object, ...]) -> tuple[str, list[Fault]]:
    path = dotted(names)
    kinds = ("domain", "region", "business_category", "bot_name")
    found = ((kind, wrong_name(name)) for kind, name in zip(kinds, names, strict=True))
    return path, [Fault(path, f"{kind} {wrong}") for kind, wrong in found if wrong]


def _checked_rule(path: str, key: object, value: object) -> list[Fault]:
    found = (("key", wrong_override_key(key)), ("value", wrong_override_value(value)))
    return [Fault(path, f"the override's {part} {wrong}") for part, wrong in found if wrong]


def _checked_fields(
    route: object, path: str, *, partial: bool
) -> tuple[Mapping[str, Any], list[Fault]]:
    """Return the fields, copied before they are checked: a mapping may answer differently later."""
    copy = dict(route) if isinstance(route, Mapping) else route
    faults = check_route(copy, path, partial=partial)
    return (copy if isinstance(copy, dict) else {}), faults


def _misnamed(rule: Mapping[Any, Any]) -> list[Fault]:
    faults = [Fault("", f"{name} is missing") for name in _RULE_NEEDS if name not in rule]
    for name in rule:
        if name not in _RULE_KEYS:
            hint = _did_you_mean(name, _RULE_KEYS) or f"a rule has {', '.join(_RULE_KEYS)}"
            faults.append(Fault("", f"{shown(name)} is not part of an override rule; {hint}"))
    return faults


def _refuse_faulty(faults: list[Fault], then: str) -> None:
    if faults:
        safe = tuple(Fault(redact(path), redact(message)) for path, message in faults)
        raise RouteConfigurationError(f"{'; '.join(map(str, safe))}; {then}", faults=safe)


def _conflict(bot: BotId, field: str, wanted: Mapping[str, str]) -> NoReturn:
    raise RouteConfigurationError(
        f"The overrides {_pairs(wanted)} of {bot} set {field} to different values; "
        "pass only one of them, or mend their rules."
    )


def _no_route(bot: BotId, region: str, routes: Mapping[RouteKey, Route]) -> NoReturn:
    """Say which part of the key is the first that no route has."""
    keys = list(routes)
    for place, kind, wanted in (
        (0, "domain", bot.domain),
        (2, "business category", bot.category),
        (3, "bot", bot.name),
        (1, "region", region),
    ):
        known = sorted({key[place] for key in keys})
        keys = [key for key in keys if key[place] == wanted]
        if not keys:
            _no_part(bot, kind, wanted, known)
    # Registered by another thread since it was looked up.
    _no_part(bot, "region", region, known)


def _no_part(bot: BotId, kind: str, wanted: str, known: list[str]) -> NoReturn:
    hint = _did_you_mean(wanted, known)
    then = (
        "pass overrides={'region': …} with one of these, or add the region"
        if kind == "region"
        else "correct the bot id, or add the route"
    )
    raise RouteNotFoundError(
        f"{bot} has no route: the {kind} {shown(wanted)} is unknown; "
        f"{hint + ' ' if hint else ''}{_KNOWN[kind]}: {_listed(known) or 'none'}; "
        f"{then} (in the routing file, or with register_route()).",
        bot_id=str(bot),
    )


_KNOWN = {
    "domain": "known domains",
    "business category": "business categories of this domain",
    "bot": "bots of this category",
    "region": "regions of this bot",
}


def _no_rule(
    bot: BotId, region: str, key: str, value: str, overrides: Mapping[OverrideKey, Any]
) -> RouteNotFoundError:
    known: dict[str, list[str]] = {}
    for rule in overrides:
        if _is_of(bot, rule) and rule[1] in (region, DEFAULT_REGION):
            known.setdefault(rule[4], []).append(rule[5])
    there = "; ".join(f"{name} = {_listed(sorted(set(known[name])))}" for name in sorted(known))
    hint = _did_you_mean(value, known[key]) if key in known else _did_you_mean(key, known)
    return RouteNotFoundError(
        f"No override rule of {bot} answers {_pairs({key: value})} in region {shown(region)}; "
        f"{hint + ' ' if hint else ''}known: {there or 'none'}; use one of these, or add the "
        "rule (in the routing file, or with register_override()).",
        bot_id=str(bot),
    )


def _pairs(overrides: Mapping[str, str]) -> str:
    return ", ".join(f"{shown(key)}: {shown(value)}" for key, value in overrides.items())


def _listed(names: list[str], most: int = 10) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _did_you_mean(word: object, names: Iterable[str], most: int = 2000) -> str:
    """Return a question, or "" if nothing is close. Looks at `most` names: errors stay quick."""
    close = difflib.get_close_matches(word, islice(names, most), 1) if isinstance(word, str) else []
    return f"did you mean {close[0]!r}?" if close else ""
