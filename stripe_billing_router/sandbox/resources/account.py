"""`/v1/account`: the account behind a key."""

from __future__ import annotations

from ..family import Call, Family, Route
from ..wire import Json

_PROFILE = (
    "mcc",
    "minority_owned_business_designation",
    "name",
    "specified_commercial_transactions_act_url",
    "support_address",
    "support_email",
    "support_phone",
    "support_url",
    "url",
)
_SCRIPTS = ("statement_descriptor_prefix_kana", "statement_descriptor_prefix_kanji")
_SETTINGS = {
    "branding": ("icon", "logo", "primary_color", "secondary_color"),
    "card_payments": ("statement_descriptor_prefix", *_SCRIPTS),
    "payments": (
        "statement_descriptor",
        "statement_descriptor_kana",
        "statement_descriptor_kanji",
        *_SCRIPTS,
    ),
}


def current(call: Call) -> Json:
    """Return the key's own account."""
    account_id = call.account.id
    return {
        "id": account_id,
        "object": "account",
        "business_profile": {**dict.fromkeys(_PROFILE), "name": "Sandbox"},
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
        "settings": {
            **{part: dict.fromkeys(names) for part, names in _SETTINGS.items()},
            "dashboard": {"display_name": "Sandbox", "timezone": "Etc/UTC"},
        },
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
