"""What an invoice lists: lines made from invoice items and from subscriptions."""

from __future__ import annotations

from ..state import AccountState
from ..wire import Json


def pricing_of(price: Json | None, unit_amount: int) -> Json:
    """Return how a line's amount came about; `unit_amount` in minor units."""
    details = {"price": price["id"], "product": price["product"]} if price else None
    return {
        **({"price_details": details} if details else {}),
        "type": "price_details",
        "unit_amount_decimal": str(unit_amount),
    }


def tie(account: AccountState, item: Json, invoice: Json) -> None:
    """Put an invoice item onto an invoice."""
    item["invoice"] = invoice["id"]
    account.notes.setdefault(invoice["id"], {}).setdefault("items", []).append(item["id"])


def tied_to(account: AccountState, invoice: Json) -> list[Json]:
    """Return the items on an invoice, in the order in which they came onto it."""
    ids = account.notes.get(invoice["id"], {}).get("items", [])
    items = (account.find("invoiceitem", item_id) for item_id in dict.fromkeys(ids))
    return [item for item in items if item and item["invoice"] == invoice["id"]]


def line_of_item(account: AccountState, item: Json) -> Json:
    """Return the line of an invoice item."""
    parent = {
        "invoice_item_details": {
            "invoice_item": item["id"],
            "proration": False,
            "proration_details": {"credited_items": None},
            "subscription": None,
        },
        "subscription_item_details": None,
        "type": "invoice_item_details",
    }
    shared = ("amount", "currency", "description", "metadata", "period", "pricing", "quantity")
    return _line(account, {name: item[name] for name in shared}, parent)


def line_of_subscription(account: AccountState, subscription: Json, item: Json, free: bool) -> Json:
    """Return the line of one subscription item for its current period; `free` within a trial."""
    price = item["price"]
    unit_amount = 0 if free else price["unit_amount"]
    parent = {
        "invoice_item_details": None,
        "subscription_item_details": {
            "invoice_item": None,
            "proration": False,
            "proration_details": {"credited_items": None},
            "subscription": subscription["id"],
            "subscription_item": item["id"],
        },
        "type": "subscription_item_details",
    }
    fields = {
        "amount": unit_amount * item["quantity"],
        "currency": price["currency"],
        "description": f"{item['quantity']} of {price['nickname'] or price['product']}",
        "metadata": dict(subscription["metadata"]),
        "period": {"end": item["current_period_end"], "start": item["current_period_start"]},
        "pricing": pricing_of(price, unit_amount),
        "quantity": item["quantity"],
    }
    return _line(account, fields, parent) | {"subscription": subscription["id"]}


def _line(account: AccountState, fields: Json, parent: Json) -> Json:
    return {
        "id": account.ids.new("il_"),
        "object": "line_item",
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "invoice": None,
        "livemode": True,
        "parent": parent,
        "pretax_credit_amounts": [],
        "quantity_decimal": str(fields["quantity"]),
        "subscription": None,
        "subtotal": fields["amount"],
        "taxes": [],
        **fields,
    }
