"""`/v1/account`: the account behind a key."""

from __future__ import annotations

from ..family import Call, Family, Route
from ..wire import Json


def current(call: Call) -> Json:
    """Return the key's own account."""
    account_id = call.account.id
    return {
        "id": account_id,
        "object": "account",
        "business_profile": {"name": "Sandbox", "support_email": None, "url": None},
        "business_type": "company",
        "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": True,
        "country": "US",
        "created": 1_700_000_000,
        "default_currency": "usd",
        "details_submitted": True,
        "email": "owner@sandbox.example",
        "metadata": {},
        "payouts_enabled": True,
        "settings": {"dashboard": {"display_name": "Sandbox", "timezone": "Etc/UTC"}},
        "type": "standard",
    }


def by_id(call: Call) -> Json:
    """Return the account if it is the key's own."""
    account = current(call)
    if call.ids["account"] != account["id"]:
        raise call.account.missing("account", call.ids["account"])
    return account


FAMILY = Family(
    routes=(
        Route("GET", "/v1/account", "AccountRetrieveCurrentParams", "account", current),
        Route("GET", "/v1/accounts/{account}", "AccountRetrieveParams", "account", by_id),
    ),
    nouns={"account": "account"},
)
