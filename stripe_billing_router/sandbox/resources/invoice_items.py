"""`/v1/invoiceitems`: what goes onto an invoice, now or later."""

from __future__ import annotations

from ..failures import invalid, refused
from ..family import Call, Family, Route
from ..paging import listing
from ..rules.catalogue import amount_in, usable_price
from ..rules.checks import known_currency, merged_metadata
from ..rules.lines import pricing_of, tie
from ..wire import Json
from .common import given, refuse, retriever
from .invoices import refresh_lines

_KIND = "invoiceitem"
_NOT_HERE = (
    "discounts",
    "price_data",
    "quantity_decimal",
    "subscription",
    "tax_rates",
    "unit_amount_decimal",
)


def create(call: Call) -> Json:
    """Add an item: to a draft if `invoice` names one, else to the customer's pending items."""
    params, account = call.params, call.account
    refuse(params, _NOT_HERE)
    invoice = _draft(call)
    owner = params.get("customer") or (invoice or {}).get("customer")
    if owner is None:
        raise invalid("You must specify a customer.", "customer", "parameter_missing")
    account.require("customer", owner, "customer")
    if invoice and invoice["customer"] != owner:
        raise invalid("The invoice belongs to another customer.", "invoice")
    item = account.add(_new_item(call, owner, invoice))
    if invoice:
        tie(account, item, invoice)
        refresh_lines(account, invoice)
    account.emit("invoiceitem.created", item)
    return item


def _draft(call: Call) -> Json | None:
    if "invoice" not in call.params:
        return None
    invoice = call.account.require("invoice", call.params["invoice"], "invoice")
    _editable(invoice)
    return invoice


def _editable(invoice: Json | None) -> None:
    if invoice and invoice["status"] != "draft":
        raise refused(
            f"Invoice {invoice['id']} is {invoice['status']} and can no longer be edited.",
            "invoice",
            "invoice_not_editable",
        )


def _new_item(call: Call, customer: str, invoice: Json | None) -> Json:
    params, account = call.params, call.account
    metadata = merged_metadata(params)
    return {
        "id": account.ids.new("ii_"),
        "object": _KIND,
        "customer": customer,
        "customer_account": None,
        "date": account.now(),
        "description": params.get("description"),
        "discountable": params.get("discountable", True),
        "discounts": [],
        "invoice": None,
        "livemode": True,
        "metadata": metadata,
        "parent": None,
        "period": params.get("period") or {"end": account.now(), "start": account.now()},
        "proration": False,
        "tax_rates": [],
        "test_clock": None,
        **_amounts(call, (invoice or {}).get("currency")),
    }


def _amounts(call: Call, invoice_currency: str | None) -> Json:
    """Return currency, quantity, pricing and amount: from a price, or as given."""
    params = call.params
    quantity = params.get("quantity", 1)
    if quantity < 0:
        raise invalid("This value must be greater than or equal to 0.", "quantity")
    price_id = params.get("pricing", {}).get("price")
    if (price_id is None) == ("amount" not in params):
        raise invalid("You must specify either `pricing[price]` or `amount`.", "pricing")
    price = usable_price(call.account, price_id, "pricing[price]", "one_time") if price_id else None
    currency = _currency(call, price, invoice_currency)
    if price:
        unit_amount = amount_in(call.account, price, currency, "pricing[price]")
    else:
        unit_amount = params["amount"]
    return {
        "amount": unit_amount * quantity,
        "currency": currency,
        "net_amount": unit_amount * quantity,
        "pricing": pricing_of(price, unit_amount),
        "quantity": quantity,
        "quantity_decimal": str(quantity),
    }


def _currency(call: Call, price: Json | None, invoice_currency: str | None) -> str:
    own = price["currency"] if price else "usd"
    code = known_currency(call.params.get("currency") or invoice_currency or own).code
    if invoice_currency and invoice_currency != code:
        message = f"The item's currency `{code}` must match the invoice's, `{invoice_currency}`."
        raise invalid(message, "currency")
    return code


def update(call: Call) -> Json:
    """Change an item that is pending or on a draft."""
    item, invoice = _item_and_invoice(call)
    refuse(call.params, _NOT_HERE)
    item["metadata"] = merged_metadata(call.params, item["metadata"])
    if {"amount", "pricing", "quantity"} & set(call.params):
        same = {} if "amount" in call.params else {"pricing": {"price": _price_of(item)}}
        quantity = {"quantity": item["quantity"]}
        params = {**quantity, **same, "currency": item["currency"], **call.params}
        repriced = Call(call.account, call.path, params, call.ids)
        item.update(_amounts(repriced, (invoice or {}).get("currency")))
    item.update(given(call.params, ("description", "discountable", "period")))
    if invoice:
        refresh_lines(call.account, invoice)
    return item


def _price_of(item: Json) -> str:
    details = item["pricing"].get("price_details")
    if details is None:
        raise invalid("This item has no price: give its `amount`.", "amount")
    return str(details["price"])


def delete(call: Call) -> Json:
    """Delete an item that is pending or on a draft."""
    item, invoice = _item_and_invoice(call)
    call.account.remove(item)
    if invoice:
        refresh_lines(call.account, invoice)
    call.account.emit("invoiceitem.deleted", item)
    return {"id": item["id"], "object": _KIND, "deleted": True}


def _item_and_invoice(call: Call) -> tuple[Json, Json | None]:
    item = call.account.require(_KIND, call.ids["id"])
    invoice = call.account.find("invoice", item["invoice"]) if item["invoice"] else None
    _editable(invoice)
    return item, invoice


def items(call: Call) -> Json:
    """List items; `pending` ones are on no invoice yet."""
    pending = call.params.get("pending")

    def keep(item: Json) -> bool:
        return pending is None or (item["invoice"] is None) == pending

    filters = {"customer": "customer", "invoice": "invoice"}
    return listing(call, _KIND, filters, keep, created="date")


_ALL, _ONE = "/v1/invoiceitems", "/v1/invoiceitems/{id}"

FAMILY = Family(
    routes=(
        Route("POST", _ALL, "InvoiceItemCreateParams", _KIND, create),
        Route("GET", _ALL, "InvoiceItemListParams", f"list:{_KIND}", items),
        Route("GET", _ONE, "InvoiceItemRetrieveParams", _KIND, retriever(_KIND)),
        Route("POST", _ONE, "InvoiceItemUpdateParams", _KIND, update),
        Route("DELETE", _ONE, "InvoiceItemDeleteParams", _KIND, delete),
    ),
    nouns={_KIND: _KIND},
    expandable={_KIND: {"customer": "customer", "discounts": "discount", "invoice": "invoice"}},
)
