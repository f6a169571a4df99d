"""`/v1/charges`: read them, and change their words. Payment intents make them."""

from __future__ import annotations

from ..family import Call, Family, Route
from ..state import AccountState
from ..wire import Json, envelope
from .common import lister, retriever, updater

_KIND = "charge"
_PLAIN = ("customer", "description", "fraud_details", "receipt_email", "shipping", "transfer_group")


def refunds_of(account: AccountState, charge: Json) -> Json:
    """Return the list of a charge's refunds."""
    found = [refund for refund in account.all("refund") if refund["charge"] == charge["id"]]
    return envelope(f"/v1/charges/{charge['id']}/refunds", found)


def refunds(call: Call) -> Json:
    """List the refunds of a charge."""
    return refunds_of(call.account, call.account.require(_KIND, call.ids["id"]))


_ONE = "/v1/charges/{id}"

FAMILY = Family(
    routes=(
        Route(
            "GET",
            "/v1/charges",
            "ChargeListParams",
            f"list:{_KIND}",
            lister(
                _KIND,
                {
                    "customer": "customer",
                    "payment_intent": "payment_intent",
                    "transfer_group": "transfer_group",
                },
            ),
        ),
        Route("GET", _ONE, "ChargeRetrieveParams", _KIND, retriever(_KIND)),
        Route("POST", _ONE, "ChargeUpdateParams", _KIND, updater(_KIND, _PLAIN, "charge.updated")),
        Route("GET", f"{_ONE}/refunds", "ChargeListRefundsParams", "list:refund", refunds),
    ),
    nouns={_KIND: _KIND},
    expandable={
        _KIND: {
            "balance_transaction": "balance_transaction",
            "customer": "customer",
            "payment_intent": "payment_intent",
            "refunds": "list:refund",
        }
    },
    included={_KIND: {"refunds": refunds_of}},
)
