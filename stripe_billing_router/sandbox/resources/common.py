"""Handlers that several families share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..failures import invalid
from ..family import Call, Handler
from ..paging import listing
from ..rules.checks import merged_metadata
from ..wire import Json, copied


def retriever(kind: str) -> Handler:
    """Return a handler that answers with the object whose id is in the path as `{id}`."""
    return lambda call: call.account.require(kind, call.ids["id"])


def lister(kind: str, filters: Mapping[str, str] | None = None) -> Handler:
    """Return a handler that answers with a page of the objects of a kind."""
    return lambda call: listing(call, kind, filters)


def updater(kind: str, fields: Iterable[str], event: str) -> Handler:
    """Return a handler that sets plain `fields` and metadata, and emits `event`."""
    names = tuple(fields)

    def update(call: Call) -> Json:
        obj = living(call, kind)
        change(call, obj, names, event)
        return obj

    return update


def living(call: Call, kind: str) -> Json:
    """Return the object of the path if it is not deleted; StripeFailure (404) otherwise."""
    obj = call.account.require(kind, call.ids["id"])
    if obj.get("deleted"):
        raise call.account.missing(kind, call.ids["id"])
    return obj


def change(call: Call, obj: Json, names: Iterable[str], event: str | None = None) -> None:
    """Set the given ones of the fields `names`, and metadata, and emit `event`, if there is one."""
    before = copied(obj)
    metadata = merged_metadata(call.params, obj.get("metadata"))
    obj.update(given(call.params, names))
    obj["metadata"] = metadata
    if "updated" in obj:
        obj["updated"] = call.account.now()
    if event:
        call.account.changed(event, obj, before)


def given(params: Json, names: Iterable[str]) -> Json:
    """Return the named parameters that were given; an empty string becomes None."""
    return {name: _shown(name, params[name]) for name in names if name in params}


def _shown(name: str, value: Any) -> Any:
    """Return a parameter as Stripe shows it: what was not given of an address, say, is null."""
    if name in _PARTS and isinstance(value, dict):
        parts = {part: _shown(part, given) for part, given in value.items()}
        return {**dict.fromkeys(_PARTS[name]), **parts}
    return empty_to_none(value)


_PARTS = {
    "address": ("city", "country", "line1", "line2", "postal_code", "state"),
    "billing_details": ("address", "email", "name", "phone", "tax_id"),
    "payment_settings": ("default_mandate", "payment_method_options", "payment_method_types"),
    "rendering": ("amount_tax_display", "pdf", "template", "template_version"),
    "shipping": ("address", "carrier", "name", "phone", "tracking_number"),
}


def refuse(params: Json, names: Iterable[str]) -> None:
    """StripeFailure (400) for parameters that change money in a way this sandbox does not know."""
    for name in names:
        if params.get(name):
            raise invalid(f"The sandbox does not know what `{name}` does; leave it out.", name)


def empty_to_none(value: object) -> object:
    """Return None for the empty string by which a form unsets a field."""
    return None if value == "" else value


def tombstone(obj: Json) -> Json:
    """Return what is left of a deleted object."""
    return {"id": obj["id"], "object": obj["object"], "deleted": True}


def deleter(kind: str, event: str, check: Callable[[Call, Json], None] | None = None) -> Handler:
    """Return a handler that puts a tombstone in the place of an object."""

    def delete(call: Call) -> Json:
        obj = living(call, kind)
        if check:
            check(call, obj)
        call.account.replace(tombstone(obj))
        call.account.emit(event, obj)
        return tombstone(obj)

    return delete
