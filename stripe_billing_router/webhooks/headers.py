"""The header that carries Stripe's signature, and the time for which it is good."""

from __future__ import annotations

import re

from ..errors import WebhookError

TOLERANCE = 300
"""Seconds by which a delivery may differ from this host's clock, either way."""

# Stricter than the SDK, which would take "+1", "1_0" and digits of other scripts for a time too.
_HEADER = re.compile(
    r"t=(?P<time>[1-9][0-9]{0,10})(?:,v[0-9]{1,2}=[A-Za-z0-9+/_\-]{1,200}){1,16}", re.ASCII
)


def signed_header(signature: object) -> tuple[str, int]:
    """Return the header and its time in seconds; WebhookError for what Stripe never sends."""
    if not isinstance(signature, str) or not signature:
        raise WebhookError(
            "There is no signature. Pass the value of the request's Stripe-Signature header; what "
            "has none does not come from Stripe."
        )
    found = _HEADER.fullmatch(signature)
    if found is None:
        raise WebhookError(
            "The Stripe-Signature header is malformed. Refuse the request; if Stripe sent it, see "
            "that no proxy changes the header."
        )
    return signature, int(found["time"])


def check_time(signed_at: int, now_ms: int) -> None:
    """WebhookError for a delivery that is too old, or signed in the future."""
    late = now_ms / 1000 - signed_at
    if abs(late) > TOLERANCE:
        when = f"{late:.0f} seconds ago" if late > 0 else f"{-late:.0f} seconds from now"
        raise WebhookError(
            f"The webhook was signed {when}; only {TOLERANCE} seconds are allowed. Refuse it: it "
            "may be a replay. If many are refused, set this host's clock."
        )
