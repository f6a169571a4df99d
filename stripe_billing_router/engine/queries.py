"""What reads Stripe and changes nothing: the balance, and the account's events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from ..models import Balance, BotId
from ..money import to_major
from ..ports import Guard, KeyProvider, Keys, Routes
from ..redaction import exact, shown
from ..secrecy import discreet
from ..verbs import arguments
from .accounts import AccountCheck
from .answers import good
from .listings import PAGE, page_of, unreadable
from .reads import Reader, with_keys

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
            return good(self._reader.get("/v1/balance", keys.secret_key, "balance"), _CHECK)

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
        return self._pages("/v1/events", query)

    @discreet
    def _pages(self, path: str, query: dict[str, Any]) -> Iterator[dict[str, Any]]:
        while True:
            page = page_of(self._page(path, query))
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
