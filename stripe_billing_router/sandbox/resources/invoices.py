"""`/v1/invoices`. The sandbox knows no taxes, discounts, shipping or revisions."""

from __future__ import annotations

from ..failures import invalid, missing_param, refused
from ..family import Call, Family, Route
from ..paging import listing, page
from ..rules import invoice_collection as collection
from ..rules import invoices as rules
from ..rules.checks import known_currency, merged_metadata
from ..rules.invoice_drafts import new_invoice, set_lines
from ..rules.invoice_payments import intent_of, method_for, payment_of
from ..rules.lines import line_of_item, tie, tied_to
from ..rules.payment_methods import usable_method
from ..state import AccountState
from ..wire import Json, envelope
from .common import change, given, refuse, retriever

_KIND = "invoice"
_PLAIN = (
    "auto_advance",
    "collection_method",
    "custom_fields",
    "default_payment_method",
    "description",
    "due_date",
    "footer",
    "payment_settings",
    "rendering",
    "statement_descriptor",
)
_AFTER_DRAFT = frozenset({"auto_advance", "default_payment_method", "expand", "metadata"})
_NOT_HERE = (
    "application_fee_amount",
    "customer_account",
    "default_source",
    "default_tax_rates",
    "discounts",
    "from_invoice",
    "on_behalf_of",
    "shipping_cost",
    "subscription",
    "transfer_data",
)


def create(call: Call) -> Json:
    """Make a draft; pending items come onto it only if asked for."""
    params, account = call.params, call.account
    _check(call)
    if "customer" not in params:
        raise missing_param("customer")
    customer = account.require("customer", params["customer"], "customer")
    currency = known_currency(params.get("currency") or customer["currency"] or "usd").code
    invoice = new_invoice(account, customer, currency, "manual")
    invoice.update(_settings(call, customer["id"]), metadata=merged_metadata(params))
    if "days_until_due" in params:
        invoice["due_date"] = account.now() + params["days_until_due"] * 86_400
    account.add(invoice)
    if params.get("pending_invoice_items_behavior") == "include":
        _include_pending(account, invoice)
    account.emit("invoice.created", invoice)
    return invoice


def _check(call: Call) -> None:
    params = call.params
    refuse(params, _NOT_HERE)
    if params.get("automatic_tax", {}).get("enabled"):
        raise invalid("The sandbox does not know taxes.", "automatic_tax[enabled]")
    sends = params.get("collection_method") == "send_invoice"
    if sends and not {"due_date", "days_until_due"} & set(params):
        raise invalid("Give `days_until_due` or `due_date` to send an invoice.", "days_until_due")


def _settings(call: Call, customer: str) -> Json:
    settings = given(call.params, _PLAIN)
    method = settings.get("default_payment_method")
    if method:
        usable_method(call.account, method, customer, "default_payment_method")
    return settings


def _include_pending(account: AccountState, invoice: Json) -> None:
    for item in list(account.all("invoiceitem"))[::-1]:
        same = item["customer"] == invoice["customer"] and item["currency"] == invoice["currency"]
        if same and item["invoice"] is None:
            tie(account, item, invoice)
    refresh_lines(account, invoice)


def refresh_lines(account: AccountState, invoice: Json) -> None:
    """Let a draft list the items that are tied to it, after the lines of its subscription."""
    old = invoice["lines"]["data"]
    kept = {_item_of(line): line["id"] for line in old}
    fresh = [line_of_item(account, item) for item in tied_to(account, invoice)]
    for line in fresh:
        line["id"] = kept.get(_item_of(line), line["id"])
    set_lines(invoice, [line for line in old if _item_of(line) is None] + fresh)


def _item_of(line: Json) -> str | None:
    details = line["parent"]["invoice_item_details"]
    return details["invoice_item"] if details else None


def update(call: Call) -> Json:
    """Change an invoice; once it is open, only how it is collected."""
    invoice = call.account.require(_KIND, call.ids["id"])
    refuse(call.params, _NOT_HERE)
    if set(call.params) - _AFTER_DRAFT:
        rules.in_state(invoice, ("draft",), "change")
    settings = _settings(call, invoice["customer"])
    change(call, invoice, settings, "invoice.updated")
    return invoice


def delete(call: Call) -> Json:
    """Delete a draft; its items become pending again."""
    invoice = call.account.require(_KIND, call.ids["id"])
    rules.in_state(invoice, ("draft",), "delete")
    if invoice["parent"]:
        raise refused("The invoice of a subscription cannot be deleted: finalize and void it.")
    for item in tied_to(call.account, invoice):
        item["invoice"] = None
    call.account.remove(invoice)
    call.account.emit("invoice.deleted", invoice)
    return {"id": invoice["id"], "object": _KIND, "deleted": True}


def finalize(call: Call) -> Json:
    """Open a draft."""
    invoice = call.account.require(_KIND, call.ids["id"])
    rules.in_state(invoice, ("draft",), "finalize")
    if "auto_advance" in call.params:
        invoice["auto_advance"] = call.params["auto_advance"]
    rules.finalize(call.account, invoice)
    return invoice


def pay(call: Call) -> Json:
    """Collect an open invoice, off session unless said otherwise."""
    params, account = call.params, call.account
    invoice = account.require(_KIND, call.ids["id"])
    refuse(params, ("forgive", "mandate", "source"))
    rules.in_state(invoice, ("open", "uncollectible"), "pay")
    if params.get("paid_out_of_band"):
        rules.pay_out_of_band(account, invoice)
    else:
        method = method_for(account, invoice, params.get("payment_method"))
        collection.pay(account, invoice, method, params.get("off_session", True) is True)
    return invoice


def void(call: Call) -> Json:
    """Void an open invoice. A draft is deleted instead."""
    invoice = call.account.require(_KIND, call.ids["id"])
    rules.in_state(invoice, ("open", "uncollectible"), "void")
    rules.void(call.account, invoice)
    return invoice


def mark_uncollectible(call: Call) -> Json:
    """Give an open invoice up."""
    invoice = call.account.require(_KIND, call.ids["id"])
    rules.in_state(invoice, ("open",), "give up")
    rules.mark_uncollectible(call.account, invoice)
    return invoice


def lines(call: Call) -> Json:
    """List the lines of an invoice."""
    invoice = call.account.require(_KIND, call.ids["id"])
    return page(call, invoice["lines"]["data"], "line_item")


def invoices(call: Call) -> Json:
    """List invoices."""
    wanted = call.params.get("subscription")

    def keep(invoice: Json) -> bool:
        details = (invoice["parent"] or {}).get("subscription_details") or {}
        return wanted is None or details.get("subscription") == wanted

    filters = {
        "collection_method": "collection_method",
        "customer": "customer",
        "status": "status",
    }
    return listing(call, _KIND, filters, keep)


def payments_of(account: AccountState, invoice: Json) -> Json:
    """Return the list of an invoice's payments."""
    payment = payment_of(account, invoice)
    url = f"/v1/invoice_payments?invoice={invoice['id']}"
    return envelope(url, [payment] if payment else [])


def _secret(account: AccountState, invoice: Json) -> Json:
    intent = intent_of(account, invoice) or {"client_secret": None}
    return {"client_secret": intent["client_secret"], "type": "payment_intent"}


_ALL, _ONE = "/v1/invoices", "/v1/invoices/{id}"

FAMILY = Family(
    routes=(
        Route("POST", _ALL, "InvoiceCreateParams", _KIND, create),
        Route("GET", _ALL, "InvoiceListParams", f"list:{_KIND}", invoices),
        Route("GET", _ONE, "InvoiceRetrieveParams", _KIND, retriever(_KIND)),
        Route("POST", _ONE, "InvoiceUpdateParams", _KIND, update),
        Route("DELETE", _ONE, "InvoiceDeleteParams", _KIND, delete),
        Route("POST", f"{_ONE}/finalize", "InvoiceFinalizeInvoiceParams", _KIND, finalize),
        Route("POST", f"{_ONE}/pay", "InvoicePayParams", _KIND, pay),
        Route("POST", f"{_ONE}/void", "InvoiceVoidInvoiceParams", _KIND, void),
        Route(
            "POST",
            f"{_ONE}/mark_uncollectible",
            "InvoiceMarkUncollectibleParams",
            _KIND,
            mark_uncollectible,
        ),
        Route("GET", f"{_ONE}/lines", "InvoiceLineItemListParams", "list:line_item", lines),
    ),
    nouns={_KIND: _KIND, "line_item": "line item"},
    expandable={
        _KIND: {
            "confirmation_secret": "invoice.confirmation_secret",
            "customer": "customer",
            "default_payment_method": "payment_method",
            "discounts": "discount",
            "lines": "list:line_item",
            "parent": "invoice.parent",
            "payments": "list:invoice_payment",
        },
        "line_item": {"discounts": "discount"},
        "invoice.parent": {"subscription_details": "invoice.parent.subscription_details"},
        "invoice.parent.subscription_details": {"subscription": "subscription"},
    },
    included={_KIND: {"confirmation_secret": _secret, "payments": payments_of}},
    reactions={
        "customer.deleted": collection.stop_collecting,
        "payment_intent.payment_failed": collection.refused_by_bank,
        "payment_intent.requires_action": collection.waits_for_customer,
        "payment_intent.succeeded": collection.collected,
        "tick": collection.advance,
    },
)
