"""`/v1/invoice_payments`: which payment an invoice was paid with."""

from __future__ import annotations

from ..family import Call, Family, Route
from ..paging import listing
from ..wire import Json
from .common import retriever

_KIND = "invoice_payment"


def payments(call: Call) -> Json:
    """List invoice payments."""
    named = call.params.get("payment", {}).get("payment_intent")

    def keep(payment: Json) -> bool:
        return named is None or payment["payment"]["payment_intent"] == named

    return listing(call, _KIND, {"invoice": "invoice", "status": "status"}, keep)


_ALL = "/v1/invoice_payments"

FAMILY = Family(
    routes=(
        Route("GET", _ALL, "InvoicePaymentListParams", f"list:{_KIND}", payments),
        Route("GET", f"{_ALL}/{{id}}", "InvoicePaymentRetrieveParams", _KIND, retriever(_KIND)),
    ),
    nouns={_KIND: _KIND},
    expandable={
        _KIND: {"invoice": "invoice", "payment": "invoice_payment.payment"},
        "invoice_payment.payment": {"payment_intent": "payment_intent", "charge": "charge"},
    },
)
