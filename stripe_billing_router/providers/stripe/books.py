"""What the account holds at Stripe: its lists, single objects, balance and events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from ...errors import StripeRequestError, StripeUnavailableError
from ...models import Balance
from ...money import to_major
from ...ports import Keys, Page, Reply
from ...redaction import exact, shown
from .. import arguments
from .reading import Reader
from .verbs import misplaced

_SESSIONS = "checkout_sessions"
"""The list whose path is not its name."""


class StripeBooks:
    """Implements `ports.Books`. A kind is a list's name as Stripe has it: `payment_intents`."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def balance(self, keys: Keys) -> Balance:
        path = "/v1/balance"
        body = _good(self._reader.get(path, keys.secret_key, "balance"), path)
        try:
            return _balance(body)
        except (AttributeError, KeyError, TypeError, ValueError):
            raise unreadable() from None

    def page(
        self, kind: str, keys: Keys, query: Mapping[str, Any], after: str | None = None
    ) -> Page:
        params = query if after is None else {**query, "starting_after": after}
        path = _path(kind)
        body = _good(self._reader.get(path, keys.secret_key, "list", params), path)
        items = _items_of(body)
        types = query.get("types")
        if types is not None and any(item.get("type") not in types for item in items):
            raise unreadable()
        if misplaced(query, items):
            raise unreadable()
        more = bool(body.get("has_more")) and bool(items)
        return Page(tuple(items), str(items[-1]["id"]) if more else None)

    def one(
        self, kind: str, object_id: str, keys: Keys, expand: Sequence[str] = ()
    ) -> Mapping[str, Any] | None:
        path, params = f"{_path(kind)}/{object_id}", {"expand": list(expand)} if expand else {}
        reply = self._reader.get(path, keys.secret_key, _object_of(kind), params)
        if reply.status == 404:
            return None
        body = _good(reply, path)
        if body.get("id") != object_id:
            raise unreadable()
        return body

    def event_query(
        self, event_types: object, created: object, params: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        own = ("event_types", "created")
        query = arguments.params(params, "EventListParams", own, _DECIDED)
        if event_types is not None:
            listed = [event_types] if isinstance(event_types, str) else event_types
            query["types"] = _types(listed)
        if created is not None:
            query["created"] = _created(created)
        return query


def unreadable() -> StripeUnavailableError:
    return StripeUnavailableError(
        "Stripe's answer cannot be read; nothing was changed. Repeat the call, or see "
        "https://status.stripe.com."
    )


def _path(kind: str) -> str:
    return "/v1/checkout/sessions" if kind == _SESSIONS else f"/v1/{kind}"


def _object_of(kind: str) -> str:
    """Return what Stripe calls an object of a kind."""
    return "checkout.session" if kind == _SESSIONS else kind.removesuffix("s")


def _good(reply: Reply, path: str) -> Mapping[str, Any]:
    """Return the body of an answer of 200; StripeRequestError if it is another."""
    if reply.status == 200:
        return reply.body
    raise StripeRequestError(
        f"Stripe does not show {path} ({reply.note}). Check the arguments, and give the key the "
        "permission to read it.",
        http_status=reply.status,
        request_id=reply.request_id,
    )


def _items_of(page: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the objects of a list, each of which has an id."""
    items = page.get("data")
    if not isinstance(items, list) or not all(map(_is_listed, items)):
        raise unreadable()
    return items


def _is_listed(item: object) -> bool:
    return isinstance(item, Mapping) and isinstance(item.get("id"), str)


_MOST_TYPES = 20
_DECIDED = ("created", "ending_before", "limit", "type", "types")
_BOUNDS = ["gt", "gte", "lt", "lte"]


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
