"""Webhook signatures, checked by the SDK's own code."""

from __future__ import annotations

import stripe


class StripeSignatures:
    """Implements `ports.SignatureVerifier`. The SDK compares in constant time."""

    def is_signed(self, payload: bytes, header: str, secret: str) -> bool:
        # What the SDK raises holds the payload and the header: it goes no further.
        try:
            stripe.WebhookSignature.verify_header(payload, header, secret, tolerance=None)
        except (stripe.SignatureVerificationError, ValueError, TypeError):
            return False
        return True
