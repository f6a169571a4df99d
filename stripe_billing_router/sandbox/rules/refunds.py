"""Giving money back."""

from __future__ import annotations

from ..failures import refused
from ..state import AccountState
from ..wire import Json, copied
from .balance import record, still_pending_until


def left_of(charge: Json) -> int:
    """Return what can still be given back of a charge, in minor units.

    What was authorized and not captured counts as given back already.
    """
    return int(charge["amount"] - charge["amount_refunded"])


def check_refundable(charge: Json, amount: int) -> None:
    """StripeFailure (400) if `amount` (minor units) of a charge cannot be given back."""
    if charge["status"] != "succeeded" or not charge["captured"]:
        raise refused(f"Charge {charge['id']} has not been collected; there is nothing to refund.")
    if charge["disputed"]:
        message = f"Charge {charge['id']} has been charged back; cannot issue a refund."
        raise refused(message, code="charge_disputed")
    left = left_of(charge)
    if left == 0:
        message = f"Charge {charge['id']} has already been refunded."
        raise refused(message, code="charge_already_refunded")
    if amount > left:
        message = f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})"
        raise refused(message, "amount")


def new_refund(account: AccountState, charge: Json, amount: int, words: Json) -> Json:
    """Give back `amount` (minor units) of a charge; `words`: metadata, reason and the like."""
    card = charge["id"].startswith("ch_")
    refund: Json = {
        "id": account.ids.new("re_" if card else "pyr_"),
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": account.now(),
        "currency": charge["currency"],
        "customer": charge["customer"],
        "customer_account": None,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method": charge["payment_method"],
        "reason": None,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded",
        "transfer_reversal": None,
        **words,
    }
    if card:
        refund["destination_details"] = {"card": {"type": "refund"}, "type": "card"}
    _book(account, charge, refund, -amount)
    before = copied(charge)
    charge["amount_refunded"] += amount
    charge["refunded"] = left_of(charge) == 0
    account.emit("refund.created", account.add(refund))
    account.changed("charge.refunded", charge, before)
    return refund


def refund_rest(
    account: AccountState, charge: Json, amount: int | None, reason: str | None
) -> Json:
    """Give money back as a person does in the dashboard: all that is left, or `amount` of it."""
    given = left_of(charge) if amount is None else amount
    check_refundable(charge, given)
    return new_refund(account, charge, given, {"reason": reason})


def settle_refund(account: AccountState, refund: Json) -> None:
    """A card's bank has taken a refund and gives its reference. ValueError for any other."""
    if refund["status"] != "succeeded" or "destination_details" not in refund:
        raise ValueError(f"{refund['id']} is {refund['status']}, or no card's refund")
    before = copied(refund)
    refund["destination_details"]["card"] |= {
        "reference": f"{refund['created']:023}",
        "reference_status": "available",
        "reference_type": "acquirer_reference_number",
    }
    _tell(account, refund, before)


def _tell(account: AccountState, refund: Json, before: Json) -> None:
    account.changed("refund.updated", refund, before)
    account.changed("charge.refund.updated", refund, before)


def _book(account: AccountState, charge: Json, refund: Json, amount: int) -> None:
    """Money goes out of where the charge's money is: pending as long as that is."""
    due = still_pending_until(account, charge["balance_transaction"])
    entry = record(account, refund, amount, kind="refund", category="refund", available_on=due)
    refund["balance_transaction"] = entry["id"]


def fail_refund(account: AccountState, refund: Json, reason: str) -> None:
    """Let the customer's bank send a refund back. ValueError if it did not succeed before."""
    if refund["status"] != "succeeded":
        raise ValueError(f"{refund['id']} is {refund['status']}, it cannot fail any more")
    charge = account.require("charge", refund["charge"])
    entry = record(
        account,
        refund,
        refund["amount"],
        kind="refund_failure",
        category="refund_failure",
        available_on=account.now(),
    )
    before = copied(refund)
    refund["status"], refund["failure_reason"] = "failed", reason
    refund["failure_balance_transaction"] = entry["id"]
    charge["amount_refunded"] -= refund["amount"]
    charge["refunded"] = False
    _tell(account, refund, before)
    account.emit("refund.failed", refund)
