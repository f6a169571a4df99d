"""Webhooks: signatures, checked by the SDK's own code, and the accounts that an event names.

Only Stripe writes `account` and `context`, and only who holds a secret key the fields of an object
that move money. An object's metadata is what anybody may have written, a customer's browser too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import stripe

from ...errors import WebhookError
from ...redaction import shown

_METADATA = ("destination_account", "account", "stripe_account")
_THIN = "v2.core.event"


def accounts_of(event: object, *, metadata: bool = True) -> list[str]:
    """Return every account that an event (a dict or a Stripe event) names, those that the
    `metadata` of its object names last, or not at all.

    An empty list means the platform's own. Raises WebhookError for a shape that Stripe never sends.
    """
    plain = _plain(event)
    if not isinstance(plain, Mapping):
        raise _malformed("body", plain)
    named = [*_named(plain), *(_named_in_metadata(plain) if metadata else ())]
    return [_account(value, where) for where, value in named if value is not None]


def _plain(event: object) -> object:
    """Return a Stripe object's data; the SDK's thin notifications show theirs as attributes."""
    if getattr(event, "object", None) == _THIN and not hasattr(event, "to_dict"):
        context = getattr(event, "context", None)
        return {"object": _THIN, "context": None if context is None else str(context)}
    try:
        return event.to_dict() if hasattr(event, "to_dict") else event
    except Exception:  # noqa: BLE001 - whatever it is, it is no event
        raise _malformed("body", event) from None


def _named(event: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield "account", event.get("account")
    yield from _of_context(event.get("context"))
    obj = _object(event)
    yield "on_behalf_of", obj.get("on_behalf_of")
    if obj.get("transfer_data") is not None:
        destination = _mapping(obj["transfer_data"], "transfer_data").get("destination")
        yield "transfer_data.destination", destination
    yield from _of_transfer(obj.get("transfer"))


def _named_in_metadata(event: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    metadata = _object(event).get("metadata") or {}
    yield from ((f"metadata.{name}", metadata.get(name)) for name in _METADATA)


def _object(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the object that an event is about; {} for a thin event, which may show none."""
    data = event.get("data")
    if event.get("object") == _THIN and (
        data is None or _mapping(data, "data").get("object") is None
    ):
        return {}
    obj = _mapping(_mapping(data, "data").get("object"), "data.object")
    if obj.get("metadata") is not None:
        _mapping(obj["metadata"], "metadata")
    return obj


def _of_context(context: Any) -> Iterator[tuple[str, Any]]:
    """A context is an account, or a path to it; no other account may be on the way."""
    *way, target = context.split("/") if isinstance(context, str) else [context]
    yield "context", target
    yield from (("context", part) for part in way if not part or part.startswith("acct_"))


def _of_transfer(transfer: Any) -> Iterator[tuple[str, Any]]:
    """A transfer is an id, which names no account, or the object itself."""
    if isinstance(transfer, Mapping):
        yield "transfer.destination", transfer.get("destination")
    elif not (isinstance(transfer, str) and transfer.startswith("tr_")):
        yield "transfer", transfer


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    raise _malformed(where, value)


def _account(value: Any, where: str) -> str:
    found = value.get("id") if isinstance(value, Mapping) else value
    if not isinstance(found, str) or not found:
        raise _malformed(where, value)
    return found


def _malformed(where: str, value: object) -> WebhookError:
    return WebhookError(
        f"The event's {where} is {shown(value)}, which Stripe never sends. Refuse the event and "
        "check where it came from."
    )


class StripeWebhooks:
    """Implements `ports.WebhookReader`. The SDK compares signatures in constant time."""

    def accounts_of(self, event: object, *, metadata: bool = True) -> list[str]:
        return accounts_of(event, metadata=metadata)

    def is_signed(self, payload: bytes, header: str, secret: str) -> bool:
        # What the SDK raises holds the payload and the header: it goes no further.
        try:
            stripe.WebhookSignature.verify_header(payload, header, secret, tolerance=None)
        except (stripe.SignatureVerificationError, ValueError, TypeError):
            return False
        return True
