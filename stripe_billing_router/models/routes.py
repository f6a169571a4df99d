"""What a bot may bill with: routes, partial routes and their validation."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..errors import InvalidAmountError
from ..frozen import frozen
from ..money import currency
from ..redaction import redact, shown

RouteKey = tuple[str, str, str, str]
"""`(domain, region, business_category, bot_name)`, as in ROUTING_TABLE."""

OverrideKey = tuple[str, str, str, str, str, str]
"""`(domain, region, business_category, bot_name, key, value)`."""


class Fault(NamedTuple):
    """One thing wrong at `path` (dotted, as in the routing file)."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


@dataclass(frozen=True, slots=True, eq=False)
class Route(Mapping[str, str]):
    """The product, price and customer of one bot, and what else applies to it.

    Also a Mapping over the fields that are set: `route["price_id"]`, `dict(route)`.
    """

    product_id: str
    price_id: str
    customer_id: str
    account_id: str | None = None
    currency: str | None = None
    payment_method_id: str | None = None
    user_email: str | None = None

    def __getitem__(self, field: str) -> str:
        value: str | None = getattr(self, field) if field in FIELDS else None
        if value is None:
            raise KeyError(field)
        return value

    def __iter__(self) -> Iterator[str]:
        return (field for field in FIELDS if getattr(self, field) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)


@frozen
class ResolvedRoute:
    """A bot's route with its overrides and strategies applied; `currency` is always set."""

    region: str
    route: Route
    currency: str


REQUIRED = ("product_id", "price_id", "customer_id")
FIELDS = (*REQUIRED, "account_id", "currency", "payment_method_id", "user_email")

_PREFIXES = {
    "product_id": ("prod_",),
    "price_id": ("price_", "plan_"),
    "customer_id": ("cus_",),
    "account_id": ("acct_",),
    "payment_method_id": ("pm_", "card_", "src_", "ba_"),
}
_FIELD_OF_PREFIX = {prefix: field for field, prefixes in _PREFIXES.items() for prefix in prefixes}
_STRIPE_ID = re.compile(r"[A-Za-z0-9_\-.]{1,255}", re.ASCII)
_PREFIX = re.compile(r"[a-z]+_")
_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+")
KEY_FIELDS = frozenset({"secret_key", "public_key", "api_key"})


def check_route(data: object, path: str = "", *, partial: bool = False) -> list[Fault]:
    """Return every fault of a route (or, if `partial`, of an override's route); [] if none."""
    if not isinstance(data, Mapping):
        return [Fault(path, f"is not a mapping of route fields but {shown(data)}")]
    faults = [Fault(path, _unknown(name)) for name in data if name not in FIELDS]
    if partial and all(value is None for value in data.values()):
        faults.append(Fault(path, "sets nothing; name at least one field, such as price_id"))
    if not partial:
        faults += [Fault(path, f"{name} is missing") for name in REQUIRED if name not in data]
    for name in FIELDS:
        value = data.get(name)
        if value is None and name not in REQUIRED:
            continue
        if name in data and (why := _wrong(name, value)):
            faults.append(Fault(path, f"{name} {why}"))
    return faults


def clean_fields(data: Mapping[str, Any]) -> dict[str, str]:
    """Return the set fields of a mapping that `check_route` found faultless."""
    # Exact text: a subclass of str may say one thing when checked and another when sent.
    fields = {name: str.__str__(value) for name, value in data.items() if value is not None}
    if "currency" in fields:
        fields["currency"] = fields["currency"].lower()
    return fields


def _unknown(name: object) -> str:
    if isinstance(name, str) and name in KEY_FIELDS:
        return f"{name} does not belong here; keys come from Vault or the environment only"
    close = difflib.get_close_matches(name, FIELDS, 1) if isinstance(name, str) else []
    hint = f"did you mean {close[0]}?" if close else f"a route has {', '.join(FIELDS)}"
    return f"{shown(name)} is not a field of a route; {hint}"


def _wrong(name: str, value: object) -> str | None:
    if value is None or value == "":
        return "is empty"
    if not isinstance(value, str):
        return f"is not text but {shown(value)}"
    if redact(value) != value:
        return "holds a key; keys come from Vault or the environment only"
    if name == "currency":
        return _wrong_currency(value)
    if name == "user_email":
        return None if _EMAIL.fullmatch(value) and len(value) <= 254 else "is not an e-mail address"
    if not _STRIPE_ID.fullmatch(value):
        return f"is not a Stripe id: {shown(value)}"
    return _wrong_prefix(name, value)


def _wrong_currency(value: str) -> str | None:
    try:
        currency(value)
    except InvalidAmountError as error:
        return f"is wrong: {error}"
    return None


def _wrong_prefix(name: str, value: str) -> str | None:
    found = _PREFIX.match(value)
    other = _FIELD_OF_PREFIX.get(found.group(), name) if found else name
    if other != name:
        return f"is {value!r}, which looks like a {other}"
    if name in ("customer_id", "account_id") and not value.startswith(_PREFIXES[name]):
        return f"is {shown(value)}, which does not start with {_PREFIXES[name][0]}"
    return None
