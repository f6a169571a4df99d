"""Is an answer about this operation? If so, it repeats what was asked and bears its id.

Metadata is what anybody may have written: it points to an operation and proves nothing by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ....models import Operation, Step
from . import invoices

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
        return None
    if named is not None and answer.get("id") not in (None, named.group(1)):
        return "id"
    if "metadata" in params and _operation_id(answer) != operation.operation_id:
        return "metadata"
    if not _has_items(answer, params):
        return "items"
    return _different(answer, _planned(operation, step, params)) or stranger(operation, answer)


def stranger(operation: Operation, found: Mapping[str, Any]) -> str | None:
    """Return the field by which an object is not what the operation's first step makes."""
    first = operation.steps[0]
    if found.get("object") != first.expects:
        return None
    if _operation_id(found) not in (None, operation.operation_id):
        return "metadata"
    return _different(found, _planned(operation, first, first.params))


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
