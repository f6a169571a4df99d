"""`/v1/balance` and `/v1/balance_transactions`."""

from __future__ import annotations

from collections import Counter

from ..family import Call, Family, Route
from ..rules.balance import advance
from ..wire import Json
from .common import lister, retriever

_KIND = "balance_transaction"
_FILTERS = {"currency": "currency", "source": "source", "type": "type"}


def balance(call: Call) -> Json:
    """Return what the account holds, per currency, in minor units."""
    sums: dict[str, Counter[str]] = {"available": Counter(), "pending": Counter()}
    currencies = ["usd"]
    for entry in call.account.all(_KIND):
        currencies.insert(0, entry["currency"])
        sums[entry["status"]][entry["currency"]] += entry["net"]
    held = sorted(set(currencies if len(currencies) == 1 else currencies[:-1]))
    return {
        "object": "balance",
        "available": [_held(sums["available"][code], code) for code in held],
        "livemode": True,
        "pending": [_held(sums["pending"][code], code) for code in held],
    }


def _held(amount: int, currency: str) -> Json:
    return {"amount": amount, "currency": currency, "source_types": {"card": amount}}


_ALL = "/v1/balance_transactions"

FAMILY = Family(
    routes=(
        Route("GET", "/v1/balance", "BalanceRetrieveParams", "balance", balance),
        Route(
            "GET", _ALL, "BalanceTransactionListParams", f"list:{_KIND}", lister(_KIND, _FILTERS)
        ),
        Route(
            "GET",
            f"{_ALL}/{{id}}",
            "BalanceTransactionRetrieveParams",
            _KIND,
            retriever(_KIND),
        ),
    ),
    nouns={_KIND: "balance_transaction"},
    expandable={_KIND: {"source": "charge|refund|dispute"}},
    reactions={"tick": advance},
)
