"""Whole lists, a page at a time and at a pace that leaves bots what they need; the balance and the
events that bots ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from ..errors import RateLimitedError, StripeUnavailableError
from ..models import Balance, BotId
from ..money import to_major
from ..ports import Clock, Discrepancy, Guard, KeyProvider, Keys, Reply, Routes
from ..providers.stripe.reading import BALANCE, EVENTS, Reader, good, items_of
from ..providers.stripe.verbs import arguments, misplaced
from ..redaction import exact, shown
from ..secrecy import discreet, discreet_methods
from .guards.accounts import AccountCheck
from .sending import with_keys

PER_ENDPOINT = 20
IN_ALL = 80
"""Requests in a second. Stripe grants 25 and 100 in live mode; the rest is left to the bots."""

_PATIENCE = 8
_FIRST_WAIT, _LONGEST_WAIT = 2.0, 120.0

T = TypeVar("T")


class Pace:
    """Spaces requests out, in all and for each endpoint."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._next: dict[str, float] = {}
        self._next_of_all = 0.0

    def ask(self, endpoint: str, send: Callable[[], T]) -> T:
        """Return what `send` returns, once its turn has come; RateLimitedError if Stripe goes on
        refusing after minutes."""
        for attempt in range(_PATIENCE):
            self._wait(endpoint)
            try:
                return send()
            except RateLimitedError as limited:
                if attempt == _PATIENCE - 1:
                    raise
                self._clock.sleep(_pause(attempt, limited.retry_after))
        raise AssertionError("the last attempt returns or raises")

    def _wait(self, endpoint: str) -> None:
        now = self._clock.elapsed()
        turn = max(now, self._next_of_all, self._next.get(endpoint, 0.0))
        if turn > now:
            self._clock.sleep(turn - now)
        self._next_of_all = turn + 1 / IN_ALL
        self._next[endpoint] = turn + 1 / PER_ENDPOINT


def _pause(attempt: int, retry_after: float | None) -> float:
    return max(min(_FIRST_WAIT * 2.0**attempt, _LONGEST_WAIT), retry_after or 0.0)


_MEND = "Give the key the permission to read it."

PAGE = 100
"""The most objects that Stripe puts on a page."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, the newest first. The next begins after the id `next_after`, if any."""

    items: tuple[Mapping[str, Any], ...]
    next_after: str | None


@discreet_methods
class Listings:
    """Reads lists and single objects with the account's key, at a pace that leaves room."""

    def __init__(
        self, keys: KeyProvider, accounts: AccountCheck, reader: Reader, clock: Clock
    ) -> None:
        self._keys = keys
        self._accounts = accounts
        self._reader = reader
        self._pace = Pace(clock)

    def discrepancy(self) -> Discrepancy | None:
        """Return what makes the key not the master account's. Nothing is frozen or rolled back."""
        self._accounts.check_pin()
        return with_keys(self._keys, lambda keys: self._accounts.discrepancy(None, keys))

    def now_ms(self) -> int | None:
        """Return the time by Stripe's clock, None if it does not say."""
        return self._reader.now_ms(self._keys.keys().secret_key)

    def page(self, path: str, query: Mapping[str, Any], after: str | None = None) -> Page:
        """Return a page of at most `PAGE` objects. Raises a BillingError if it cannot be read."""
        params = {"limit": PAGE, **query, **({} if after is None else {"starting_after": after})}
        page = page_of(good(self._get(path, "list", params), _MEND))
        if misplaced(query, page.items):
            raise unreadable()
        return page

    def one(self, path: str, expects: str) -> Mapping[str, Any] | None:
        """Return an object, None if Stripe has none or has deleted it."""
        reply = self._get(path, expects, {})
        if reply.status == 404:
            return None
        body = good(reply, _MEND)
        if body.get("id") != path.rpartition("/")[2]:
            raise unreadable()
        return None if body.get("deleted") else body

    def _get(self, path: str, expects: str, params: Mapping[str, Any]) -> Reply:
        key = self._keys.keys().secret_key
        endpoint = "/".join(path.split("/")[:3])
        return self._pace.ask(endpoint, lambda: self._reader.get(path, key, expects, params))


def page_of(body: Mapping[str, Any]) -> Page:
    """Return a page of a list; StripeUnavailableError if it cannot be read."""
    items = items_of(body)
    if items is None:
        raise unreadable()
    more = bool(body.get("has_more")) and bool(items)
    return Page(tuple(items), str(items[-1]["id"]) if more else None)


def unreadable() -> StripeUnavailableError:
    return StripeUnavailableError(
        "Stripe's answer cannot be read; nothing was changed. Repeat the call, or see "
        "https://status.stripe.com."
    )


_CHECK = "Check the key's permissions and the arguments."

_MOST_TYPES = 20
_DECIDED = ("created", "ending_before", "limit", "type", "types")
_BOUNDS = ["gt", "gte", "lt", "lte"]


class Queries:
    """Reads after the same checks as a money verb."""

    def __init__(
        self,
        routes: Routes,
        keys: KeyProvider,
        accounts: AccountCheck,
        reader: Reader,
        guards: Sequence[Guard],
    ) -> None:
        self._routes = routes
        self._keys = keys
        self._accounts = accounts
        self._reader = reader
        self._guards = tuple(guards)

    def balance(self, bot_id: object, overrides: object = None) -> Balance:
        """Return what is available and pending, per currency."""
        self._accounts.check_pin()
        bot = BotId.parse(bot_id)
        for guard in self._guards:
            guard.check_bot(bot)
        route = self._routes.resolve(bot, arguments.overrides(overrides))

        def read(keys: Keys) -> Mapping[str, Any]:
            self._accounts.check(bot, keys, route.route)
            return good(self._reader.get(BALANCE, keys.secret_key, "balance"), _CHECK)

        body = with_keys(self._keys, read)
        try:
            return _balance(body)
        except (AttributeError, KeyError, TypeError, ValueError):
            raise unreadable() from None

    def events(
        self, event_types: object, created: object, params: Mapping[str, Any]
    ) -> Iterator[dict[str, Any]]:
        """Yield the master account's events, the newest first, page by page."""
        self._accounts.check_pin()
        query = _event_query(event_types, created, params)
        with_keys(self._keys, lambda keys: self._accounts.check(None, keys))
        return self._pages(EVENTS, query)

    @discreet
    def _pages(self, path: str, query: dict[str, Any]) -> Iterator[dict[str, Any]]:
        while True:
            page = page_of(self._page(path, query))
            types = query.get("types")
            if types is not None and any(item.get("type") not in types for item in page.items):
                raise unreadable()
            yield from (dict(item) for item in page.items)
            if page.next_after is None:
                return
            query = {**query, "starting_after": page.next_after}

    def _page(self, path: str, query: dict[str, Any]) -> Mapping[str, Any]:
        def read(keys: Keys) -> Mapping[str, Any]:
            self._accounts.check(None, keys)
            return good(self._reader.get(path, keys.secret_key, "list", query), _CHECK)

        return with_keys(self._keys, read)


def _event_query(event_types: object, created: object, params: Mapping[str, Any]) -> dict[str, Any]:
    own = ("event_types", "created")
    query: dict[str, Any] = {
        "limit": PAGE,
        **arguments.params(params, "EventListParams", own, _DECIDED),
    }
    if event_types is not None:
        listed = [event_types] if isinstance(event_types, str) else event_types
        query["types"] = _types(listed)
    if created is not None:
        query["created"] = _created(created)
    return query


def _created(given: object) -> int | dict[str, int]:
    if not isinstance(given, Mapping):
        return _seconds(given, "created")
    bounds = {exact(bound): value for bound, value in given.items()}
    for bound in bounds:
        if bound not in _BOUNDS:
            raise arguments.invalid(
                "created", f"has {shown(bound)}; pass some of {', '.join(_BOUNDS)}"
            )
    return {bound: _seconds(value, f"created.{bound}") for bound, value in bounds.items()}


def _seconds(given: object, where: str) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or given.bit_length() > 63:
        raise arguments.invalid(where, f"is {shown(given)}; pass whole seconds since the epoch")
    return int(given)


def _types(listed: object) -> list[str]:
    if not isinstance(listed, list | tuple | set | frozenset) or not 0 < len(listed) <= _MOST_TYPES:
        raise arguments.invalid(
            "event_types", f"is not a list of 1 to {_MOST_TYPES} event types; pass one"
        )
    return sorted(arguments.text(name, "event_types", 255) for name in listed)


def _balance(body: Mapping[str, Any]) -> Balance:
    return Balance(
        id="balance",
        status=None,
        state="succeeded",
        paid=False,
        amount=None,
        amount_minor=None,
        currency=None,
        operation_id=None,
        idempotency_key=None,
        raw=body,
        available=_sums(body.get("available", ())),
        pending=_sums(body.get("pending", ())),
    )


def _sums(funds: Iterable[Mapping[str, Any]]) -> dict[str, Decimal]:
    sums: dict[str, int] = {}
    for fund in funds:
        sums[fund["currency"]] = sums.get(fund["currency"], 0) + fund["amount"]
    return {code: to_major(minor, code) for code, minor in sums.items()}
