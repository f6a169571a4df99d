"""Webhook endpoints, and events as Stripe delivers them: the raw body and its signature."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence

from ..mailboxes import Mailbox
from ..state import AccountState
from ..wire import Json


def new_endpoint(account: AccountState, url: str, enabled_events: Sequence[str]) -> Json:
    """Store an endpoint that is sent the events of these types, `*` for all."""
    endpoint: Json = {
        "id": account.ids.new("we_"),
        "object": "webhook_endpoint",
        "api_version": None,
        "application": None,
        "created": account.now(),
        "description": None,
        "enabled_events": list(enabled_events),
        "livemode": True,
        "metadata": {},
        "status": "enabled",
        "url": url,
    }
    secret = account.ids.new("whsec_sandbox")
    account.notes[endpoint["id"]] = {"secret": secret}
    account.mailboxes[endpoint["id"]] = Mailbox(endpoint["id"])
    return account.add(endpoint)


def signed(event: Json, secret: str, timestamp: int) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of a delivery, signed with `secret` at `timestamp` (seconds)."""
    body = json.dumps(event, indent=2).encode()
    message = f"{timestamp}.".encode() + body
    digest = hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "Stripe-Signature": f"t={timestamp},v1={digest}",
    }
    return body, headers
