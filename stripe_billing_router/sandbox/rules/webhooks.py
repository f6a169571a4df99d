"""Events as Stripe delivers them: the raw body and its signature."""

from __future__ import annotations

import hashlib
import hmac
import json

from ..wire import Json


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
