"""What is asked of steps and answers, whoever wrote them down: what is a step about to collect, and
is an answer about this operation?

An answer repeats what was asked and bears the operation's id. Metadata is what anybody may have
written: it points to an operation and proves nothing by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from ....models import Operation, OperationState, Outcome, Plan, Step
from . import checkout, invoices, subscription
from .base import Lookups, minor_of, output_of


def due(operation: Operation, found: Step | Outcome) -> int | None:
    """Return minor units that a step is going to collect, or that an outcome lets a customer pay;
    None where only the answer tells.

    A customer's old debt, or a price that was changed, makes an invoice larger than its item.
    """
    if isinstance(found, Outcome):
        waits = found.state is OperationState.REQUIRES_ACTION
        is_ours = operation.steps[0].expects == "subscription"
        return subscription.due(found.body) if waits and is_ours else None
    if found.name in subscription.COLLECTING:
        return subscription.due(operation.outputs[0].body)
    if found.name != invoices.PAY:
        return None
    finalized = output_of(operation, invoices.FINALIZE)
    return None if finalized is None else minor_of(finalized.body, "amount_due")


def carefully(plan: Plan) -> Plan:
    """Return the plan of a call whose money is limited: what its first step would collect at once
    is seen before it is paid."""
    first = plan.steps[0]
    return (
        replace(plan, steps=subscription.in_two(first)) if first.expects == "subscription" else plan
    )


def due_beside(plan: Plan, lookups: Lookups) -> int | None:
    """Return minor units that a page collects together with what its customer owes; None for a plan
    that collects no debts, or of which that is seen later.

    Stripe puts debts and pending items onto a subscription's first invoice once the customer is
    done, when nobody is asked any more.
    """
    if plan.amount_minor is None or not checkout.subscribes(plan.steps[0]):
        return None
    return plan.amount_minor + lookups.owed(str(plan.customer_id), str(plan.currency))


_ID_IN_PATH = re.compile(r"/v1/(?:checkout/[a-z_]+|(?!checkout/)[a-z_]+)/([^/]+)")
_REPEATED = (
    "amount",
    "charge",
    "customer",
    "invoice",
    "mode",
    "payment_intent",
    "quantity",
)
"""Parameters that an object shows as they were sent."""

_LISTED_BY = ("charge", "customer", "invoice", "payment_intent", "subscription")
"""Parameters of lists that each object in them shows."""

_TOTALS = {"checkout.session": "amount_total", "invoiceitem": "amount"}
"""Where an object shows what its operation planned to collect."""


def strange(
    operation: Operation,
    step: Step,
    path: str,
    params: Mapping[str, Any],
    answer: Mapping[str, Any],
) -> str | None:
    """Return the field by which the answer to a step is about something else; None if it fits.

    `path` and `params` are as they were sent. A field that the answer does not show says nothing.
    """
    named = _ID_IN_PATH.match(path)
    if step.expects == "list":
        return misplaced(params, answer.get("data") or ())
    if named is not None and answer.get("id") not in (None, named.group(1)):
        return "id"
    if "metadata" in params and _operation_id(answer) != operation.operation_id:
        return "metadata"
    if not _has_items(answer, params):
        return "items"
    return _different(answer, _planned(operation, step, params)) or stranger(operation, answer)


def misplaced(query: Mapping[str, Any], listed: Iterable[Mapping[str, Any]]) -> str | None:
    """Return the parameter by which something in a list is not what was asked for."""
    asked = [(name, query[name]) for name in _LISTED_BY if query.get(name) is not None]
    for item in listed:
        if not isinstance(item, Mapping):
            return "data"
        for name, value in asked:
            if _plain(_listed_under(item, name)) != value:
                return name
    return None


def _listed_under(item: Mapping[str, Any], name: str) -> object:
    """Return what an object shows that lists are narrowed down by; an invoice shows deeper down
    which subscription it is of."""
    if name in item:
        return item[name]
    for step in ("parent", f"{name}_details"):
        found = item.get(step)
        item = found if isinstance(found, Mapping) else {}
    return item.get(name)


def stranger(operation: Operation, found: Mapping[str, Any]) -> str | None:
    """Return the field by which an object is not what the operation's first step makes."""
    first = operation.steps[0]
    if found.get("object") != first.expects:
        return None
    if _operation_id(found) is not None and not _bears_its_name(operation, found):
        return "metadata"
    return _different(found, _planned(operation, first, first.params))


def beyond(payment: Outcome, refund: Mapping[str, Any]) -> str | None:
    """Return the field by which a refund cannot be of this payment; None if it can."""
    if refund.get("currency", payment.currency) != payment.currency:
        return "currency"
    amount = refund.get("amount")
    more = isinstance(amount, int) and amount > (payment.amount_minor or 0)
    return "amount" if more else None


def _bears_its_name(operation: Operation, found: Mapping[str, Any]) -> bool:
    stamp = found["metadata"]
    whose = stamp.get("operation_id"), stamp.get("bot_id")
    return whose == (operation.operation_id, str(operation.bot))


def _operation_id(found: Mapping[str, Any]) -> object:
    metadata = found.get("metadata")
    return metadata.get("operation_id") if isinstance(metadata, Mapping) else None


def _planned(
    operation: Operation, step: Step, params: Mapping[str, Any]
) -> Iterator[tuple[str, object]]:
    """Yield fields of an answer to a step, and what they have to be."""
    for name in _REPEATED:
        if name in params:
            yield name, params[name]
    if operation.currency is not None:
        yield "currency", operation.currency
    if operation.amount_minor is None:
        return
    if step.expects in _TOTALS:
        yield _TOTALS[step.expects], operation.amount_minor
    elif step.name in (invoices.FINALIZE, invoices.PAY):
        yield "total", operation.amount_minor


def _different(found: Mapping[str, Any], planned: Iterator[tuple[str, object]]) -> str | None:
    """An invoice with nothing on it is one that was emptied, and is read as such."""
    for name, value in planned:
        emptied = name == "total" and found.get(name) == 0
        if name in found and not emptied and _plain(found[name]) != value:
            return name
    return None


def _has_items(found: Mapping[str, Any], params: Mapping[str, Any]) -> bool:
    """Say whether a new subscription has the prices and quantities that were asked for."""
    asked, shown = params.get("items"), found.get("items")
    items = shown.get("data") if isinstance(shown, Mapping) else None
    if asked is None or items is None:
        return True
    return [(_plain(i["price"]), i.get("quantity")) for i in items] == [
        (item["price"], item["quantity"]) for item in asked
    ]


def _plain(value: Any) -> object:
    """Return the id of an object that is shown whole; Stripe shows currencies in either case."""
    if isinstance(value, Mapping):
        return value.get("id")
    return value.lower() if isinstance(value, str) and len(value) == 3 else value
