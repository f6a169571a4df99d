"""A subscription and its items before they have any history."""

from __future__ import annotations

from typing import Any

from ..state import AccountState
from ..wire import Json, copied, envelope
from .periods import period_end

_CANCELLATION = ("comment", "feedback", "feedback_option", "reason")
_INVOICE_SETTINGS = ("account_tax_ids", "custom_fields", "description", "footer")
_TRIAL_ENDS = {"billing_cycle_anchor": None, "missing_payment_method": "create_invoice"}


def new_subscription(
    account: AccountState, customer: str, prices: list[Json], **fields: Any
) -> Json:
    """Return a subscription to `prices`, each with a `quantity` added, not stored yet."""
    subscription_id, now = account.ids.new("sub_"), account.now()
    trial_end = fields.get("trial_end")
    items = [_new_item(account, subscription_id, price, trial_end) for price in prices]
    return {
        "id": subscription_id,
        "object": "subscription",
        "application": None,
        "application_fee_percent": None,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": trial_end or now,
        "billing_cycle_anchor_config": None,
        "billing_mode": {"flexible": {"proration_discounts": "included"}, "type": "flexible"},
        "billing_schedules": [],
        "billing_thresholds": None,
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "cancellation_details": dict.fromkeys(_CANCELLATION),
        "collection_method": "charge_automatically",
        "created": now,
        "currency": prices[0]["currency"],
        "customer": customer,
        "customer_account": None,
        "days_until_due": None,
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "ended_at": None,
        "invoice_settings": {**dict.fromkeys(_INVOICE_SETTINGS), "issuer": {"type": "self"}},
        "items": envelope(f"/v1/subscription_items?subscription={subscription_id}", items),
        "latest_invoice": None,
        "livemode": True,
        "managed_payments": None,
        "metadata": {},
        "next_pending_invoice_item_invoice": None,
        "on_behalf_of": None,
        "pause_collection": None,
        "payment_settings": {
            "payment_method_options": None,
            "payment_method_types": None,
            "save_default_payment_method": "off",
        },
        "pending_invoice_item_interval": None,
        "pending_setup_intent": None,
        "pending_update": None,
        "schedule": None,
        "start_date": now,
        "status": "trialing" if trial_end else "incomplete",
        "test_clock": None,
        "transfer_data": None,
        "trial_settings": {"end_behavior": dict(_TRIAL_ENDS)},
        "trial_start": now if trial_end else None,
        "trial_end": None,
        **fields,
    }


def _new_item(account: AccountState, subscription: str, price: Json, trial_end: int | None) -> Json:
    recurring, now = price["recurring"], account.now()
    end = period_end(now, recurring["interval"], recurring["interval_count"])
    plain = {name: value for name, value in price.items() if name != "quantity"}
    return {
        "id": account.ids.new("si_", 14),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": now,
        "current_period_end": trial_end or end,
        "current_period_start": now,
        "current_trial": None,
        "discounts": [],
        "metadata": {},
        "plan": _plan(plain),
        "price": copied(plain),
        "quantity": price["quantity"],
        "subscription": subscription,
        "tax_rates": [],
    }


def _plan(price: Json) -> Json:
    same = ("active", "billing_scheme", "created", "currency", "livemode", "metadata", "nickname")
    recurring = ("interval", "interval_count", "meter", "trial_period_days", "usage_type")
    return {
        "id": price["id"],
        "object": "plan",
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "product": price["product"],
        "tiers_mode": None,
        "transform_usage": None,
        **{name: price[name] for name in same},
        **{name: price["recurring"][name] for name in recurring},
    }
