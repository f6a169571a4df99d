"""The account's money: balance transactions, and when they become available."""

from __future__ import annotations

from ..clock import DAY
from ..state import AccountState
from ..wire import Json

_SETTLES_AFTER = 2 * DAY
_FEE_PER_MILLE, _FEE_FIXED = 29, 30
"""2.9 % plus 30 minor units."""


def fee_of(amount: int) -> int:
    """Return Stripe's fee for a charge, both in minor units, rounded half up."""
    return (amount * _FEE_PER_MILLE + 500) // 1000 + _FEE_FIXED


def record(
    account: AccountState,
    source: Json,
    amount: int,
    *,
    kind: str,
    category: str,
    fee: int = 0,
    available_on: int | None = None,
) -> Json:
    """Store the balance transaction of `source`; `amount` in minor units, negative if it leaves.

    `available_on` (seconds) defaults to two days from now.
    """
    details = [
        {
            "amount": fee,
            "application": None,
            "currency": source["currency"],
            "description": "Stripe processing fees",
            "type": "stripe_fee",
        }
    ]
    transaction = {
        "id": account.ids.new("txn_"),
        "object": "balance_transaction",
        "amount": amount,
        "available_on": account.now() + _SETTLES_AFTER if available_on is None else available_on,
        "balance_type": "payments",
        "created": account.now(),
        "currency": source["currency"],
        "description": source.get("description"),
        "exchange_rate": None,
        "fee": fee,
        "fee_details": details if fee else [],
        "net": amount - fee,
        "reporting_category": category,
        "source": source["id"],
        "status": "pending",
        "type": kind,
    }
    return account.add(_as_of(account, transaction))


def _as_of(account: AccountState, transaction: Json) -> Json:
    due = transaction["available_on"] <= account.now()
    transaction["status"] = "available" if due else "pending"
    return transaction


def advance(account: AccountState, _: Json) -> None:
    """Let become available what is due by now."""
    for transaction in account.all("balance_transaction"):
        _as_of(account, transaction)


def record_charge(account: AccountState, charge: Json) -> None:
    """Book a captured charge: its amount less the fee."""
    fee = fee_of(charge["amount_captured"])
    kind = "payment" if charge["id"].startswith("py_") else "charge"
    entry = record(
        account, charge, charge["amount_captured"], kind=kind, category="charge", fee=fee
    )
    charge["balance_transaction"] = entry["id"]


def still_pending_until(account: AccountState, transaction_id: str | None) -> int:
    """Return when money of a transaction is (or was, at the earliest now) available, in seconds."""
    entry = account.find("balance_transaction", transaction_id) if transaction_id else None
    return max(account.now(), entry["available_on"] if entry else 0)
