"""Whole lists, a page at a time and at a pace that leaves bots what they need; the balance and the
events that bots ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from ..errors import InvalidRequestError, RateLimitedError
from ..models import Balance, BotId
from ..ports import Books, Clock, Discrepancy, Guard, KeyProvider, Keys, Page, Routes
from ..providers import Providers, arguments
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


PAGE = 100
"""How many objects are asked for at once: the most that Stripe puts on a page."""


@discreet_methods
class Listings:
    """Reads lists and single objects with the account's key, at a pace that leaves room."""

    def __init__(
        self,
        keys: KeyProvider,
        accounts: AccountCheck,
        books: Books,
        clock: Clock,
        now_ms: Callable[[Keys], int | None],
    ) -> None:
        self._keys = keys
        self._accounts = accounts
        self._books = books
        self._now_ms = now_ms
        self._pace = Pace(clock)

    def discrepancy(self) -> Discrepancy | None:
        """Return what makes the key not the master account's. Nothing is frozen or rolled back."""
        self._accounts.check_pin()
        return with_keys(self._keys, lambda keys: self._accounts.discrepancy(None, keys))

    def now_ms(self) -> int | None:
        """Return the time by the provider's clock, None if it does not say."""
        return self._now_ms(self._keys.keys())

    def page(self, kind: str, query: Mapping[str, Any], after: str | None = None) -> Page:
        """Return a page of at most `PAGE` objects of a kind, such as `charges`. Raises a
        BillingError if it cannot be read."""
        keys, query = self._keys.keys(), {"limit": PAGE, **query}
        return self._pace.ask(kind, lambda: self._books.page(kind, keys, query, after))

    def one(self, kind: str, object_id: str) -> Mapping[str, Any] | None:
        """Return an object, None if the provider has none or has deleted it."""
        keys = self._keys.keys()
        found = self._pace.ask(kind, lambda: self._books.one(kind, object_id, keys))
        return None if found is None or found.get("deleted") else found


class Queries:
    """Reads after the same checks as a money verb."""

    def __init__(
        self,
        routes: Routes,
        keys: KeyProvider,
        accounts: AccountCheck,
        books: Books,
        guards: Sequence[Guard],
        providers: Providers,
    ) -> None:
        self._providers = providers
        self._routes = routes
        self._keys = keys
        self._accounts = accounts
        self._books = books
        self._guards = tuple(guards)

    def balance(self, bot_id: object, overrides: object = None) -> Balance:
        """Return what is available and pending, per currency."""
        self._accounts.check_pin()
        bot = BotId.parse(bot_id)
        if self._providers.of_bot(bot) is not self._providers.default:
            raise InvalidRequestError(
                f"The provider {self._providers.name_of(bot)} of {bot} has no balance that can be "
                "read; ask as a bot whose routes use Stripe.",
                parameter="bot_id",
            )
        for guard in self._guards:
            guard.check_bot(bot)
        route = self._routes.resolve(bot, arguments.overrides(overrides))

        def read(keys: Keys) -> Balance:
            self._accounts.check(bot, keys, route.route)
            return self._books.balance(keys)

        return with_keys(self._keys, read)

    def events(
        self, event_types: object, created: object, params: Mapping[str, Any]
    ) -> Iterator[dict[str, Any]]:
        """Yield the master account's events, the newest first, page by page."""
        self._accounts.check_pin()
        query = self._books.event_query(event_types, created, params)
        with_keys(self._keys, lambda keys: self._accounts.check(None, keys))
        return self._pages("events", {"limit": PAGE, **query})

    @discreet
    def _pages(self, kind: str, query: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        after = None
        while True:
            page = self._page(kind, query, after)
            yield from (dict(item) for item in page.items)
            if page.next_after is None:
                return
            after = page.next_after

    def _page(self, kind: str, query: Mapping[str, Any], after: str | None) -> Page:
        def read(keys: Keys) -> Page:
            self._accounts.check(None, keys)
            return self._books.page(kind, keys, query, after)

        return with_keys(self._keys, read)
