"""A payload as an event: of the shape that Stripe sends, and without secrets."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from ..errors import WebhookError
from ..hashing import canonical_json
from ..models import InboxEvent
from ..redaction import shown, without_secrets

LARGEST = 1024 * 1024
"""Bytes. Stripe's own events stay far below."""

EVENT_ID = re.compile(r"evt_[A-Za-z0-9_]{1,250}", re.ASCII)
_TYPE = re.compile(r"(?=.{3,255}\Z)[a-z0-9_]+(?:\.[a-z0-9_]+)+", re.ASCII)
_VERSION = re.compile(r"[A-Za-z0-9._\-]{1,40}", re.ASCII)
_OBJECT_ID = re.compile(r"[A-Za-z0-9_.\-]{1,255}", re.ASCII)
_OPERATION_ID = re.compile(r"[a-z0-9_]{1,64}", re.ASCII)
_LATEST = 2**40


def checked_payload(payload: object) -> bytes:
    """Return the raw body; WebhookError for anything else, and for one that is too large."""
    if not isinstance(payload, bytes | bytearray | memoryview):
        raise WebhookError(
            f"The payload is {shown(payload, 40)}, not bytes. Pass the request's raw body: what "
            "was parsed and written out again does not bear Stripe's signature."
        )
    body = bytes(payload)
    if len(body) > LARGEST:
        raise WebhookError(
            f"The payload has {len(body)} bytes; Stripe's have at most {LARGEST}. Refuse it."
        )
    return body


def event_of_payload(payload: bytes) -> InboxEvent:
    """Return the event of a signed payload; WebhookError if it is not one."""
    try:
        body = json.loads(payload.decode("utf-8"), parse_constant=_no_number)
        return event_of(body)
    except (ValueError, RecursionError) as error:
        if isinstance(error, WebhookError):
            raise
        raise WebhookError(
            "The payload is not the JSON of an event. Refuse it, and check what posts to this "
            "endpoint."
        ) from None


def event_of(body: object) -> InboxEvent:
    """Return an event that Stripe gave; WebhookError for a shape that Stripe never gives."""
    if not isinstance(body, Mapping) or body.get("object") != "event":
        raise WebhookError(
            "The payload is no snapshot event. Have the endpoint in Stripe's dashboard send "
            "snapshot payloads, not thin ones."
        )
    data = _mapping(body, "data")
    event = InboxEvent(
        event_id=_text(body, "id", EVENT_ID),
        type=_text(body, "type", _TYPE),
        created_ms=_seconds(body) * 1000,
        api_version=_optional(body.get("api_version"), _VERSION),
        object_id=_optional(_mapping(data, "object").get("id"), _OBJECT_ID),
        operation_id=operation_named_by(_mapping(data, "object")),
        body=without_secrets(body),
    )
    canonical_json(event.body)  # what cannot be written out again is found now, not in the store
    return event


def operation_named_by(obj: object) -> str | None:
    """Return the operation id in the metadata of an object, None if there is none."""
    metadata = obj.get("metadata") if isinstance(obj, Mapping) else None
    found = metadata.get("operation_id") if isinstance(metadata, Mapping) else None
    return _optional(found, _OPERATION_ID)


def _optional(value: object, pattern: re.Pattern[str]) -> str | None:
    return value if isinstance(value, str) and pattern.fullmatch(value) else None


def _text(body: Mapping[str, Any], name: str, pattern: re.Pattern[str]) -> str:
    found = _optional(body.get(name), pattern)
    return found if found is not None else _odd(name, body.get(name))


def _mapping(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = body.get(name)
    return found if isinstance(found, Mapping) else _odd(name, found)


def _seconds(body: Mapping[str, Any]) -> int:
    found = body.get("created")
    if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found < _LATEST:
        _odd("created", found)
    return found


def _odd(name: str, value: object) -> NoReturn:
    raise WebhookError(
        f"The event's {name} is {shown(value, 40)}, which Stripe never sends. Refuse the event and "
        "check where it came from."
    )


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)
