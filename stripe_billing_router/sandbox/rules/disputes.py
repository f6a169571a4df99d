"""A customer's bank takes money back, and sometimes returns it."""

from __future__ import annotations

from ..clock import DAY
from ..state import AccountState
from ..wire import Json, copied
from .balance import record

_FEE = 1500
_ANSWER_WITHIN = 10 * DAY
_EVIDENCE = (
    "access_activity_log",
    "billing_address",
    "cancellation_policy",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_communication",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "customer_signature",
    "duplicate_charge_documentation",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "receipt",
    "refund_policy",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "service_documentation",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_documentation",
    "shipping_tracking_number",
    "uncategorized_file",
    "uncategorized_text",
)


def new_dispute(account: AccountState, charge: Json, amount: int | None, reason: str) -> Json:
    """Open a dispute over a charge; `amount` in minor units, the whole charge unless given.

    ValueError for a charge that was not collected or is disputed already.
    """
    if not charge["captured"] or charge["disputed"]:
        raise ValueError(f"{charge['id']} cannot be disputed: it is disputed or not collected")
    dispute: Json = {
        "id": account.ids.new("dp_"),
        "object": "dispute",
        "amount": amount or charge["amount_captured"],
        "balance_transactions": [],
        "charge": charge["id"],
        "created": account.now(),
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {**dict.fromkeys(_EVIDENCE), "enhanced_evidence": {}},
        "evidence_details": {
            "due_by": account.now() + _ANSWER_WITHIN,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
            "submission_method": "not_submitted",
        },
        "intended_submission_method": None,
        "is_charge_refundable": False,
        "livemode": True,
        "metadata": {},
        "network_reason_code": "10",
        "payment_intent": charge["payment_intent"],
        "payment_method_details": _details(),
        "reason": reason,
        "status": "needs_response",
    }
    account.add(dispute)
    charge["disputed"] = True
    account.emit("charge.dispute.created", dispute)
    _book(account, dispute, -1)
    account.emit("charge.dispute.funds_withdrawn", dispute)
    return dispute


def _details() -> Json:
    card = {
        "brand": "visa",
        "case_type": "chargeback",
        "network": "visa",
        "network_reason_code": "10",
    }
    return {"card": card, "type": "card"}


def _book(account: AccountState, dispute: Json, sign: int) -> None:
    """Move the disputed amount; Stripe's fee is taken when it leaves, and kept."""
    entry = record(
        account,
        dispute,
        sign * dispute["amount"],
        kind="adjustment",
        category="dispute" if sign < 0 else "dispute_reversal",
        fee=_FEE if sign < 0 else 0,
        available_on=account.now(),
    )
    dispute["balance_transactions"].append(copied(entry))


def answer(account: AccountState, dispute: Json) -> None:
    """Send evidence to the bank. ValueError if the dispute is decided already."""
    _check_undecided(dispute)
    before = copied(dispute)
    dispute["status"] = "under_review"
    dispute["evidence_details"]["has_evidence"] = True
    dispute["evidence_details"]["submission_count"] += 1
    dispute["evidence_details"]["submission_method"] = "manual"
    account.changed("charge.dispute.updated", dispute, before)


def close(account: AccountState, dispute: Json, won: bool) -> None:
    """Decide a dispute: the money comes back if it is won. ValueError if it is decided already."""
    _check_undecided(dispute)
    dispute["status"] = "won" if won else "lost"
    if won:
        _book(account, dispute, 1)
        account.emit("charge.dispute.funds_reinstated", dispute)
    account.emit("charge.dispute.closed", dispute)


def _check_undecided(dispute: Json) -> None:
    if dispute["status"] in ("won", "lost"):
        raise ValueError(f"{dispute['id']} is {dispute['status']} already")
