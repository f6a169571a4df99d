"""How a payment method behaves when it is charged."""

from __future__ import annotations

from typing import Any, Literal

from ...frozen import frozen
from ..failures import error_object, with_documentation
from ..wire import Json

OutcomeKind = Literal["succeeds", "declined", "authentication_required", "processing"]

_OWN_CODE: dict[str, tuple[str | None, str | None]] = {
    "authentication_required": (None, "authentication_required"),
    "expired_card": ("exp_month", None),
    "incorrect_cvc": ("cvc", None),
    "incorrect_number": ("number", None),
    "incorrect_zip": ("address_zip", None),
    "payment_intent_authentication_failure": (None, None),
    "processing_error": (None, "generic_decline"),
    "setup_intent_authentication_failure": (None, None),
}
"""Refusals with an error code of their own: which parameter they name, and the decline code."""

_MESSAGES = {
    "insufficient_funds": "Your card has insufficient funds.",
    "expired_card": "Your card has expired.",
    "incorrect_cvc": "Your card's security code is incorrect.",
    "incorrect_number": "Your card number is incorrect.",
    "incorrect_zip": "The zip code you supplied failed validation.",
    "processing_error": "An error occurred while processing your card. Try again in a little bit.",
    "authentication_required": (
        "Your card was declined. This transaction requires authentication."
    ),
}


@frozen
class PaymentOutcome:
    """What happens to a charge, and the `reason` where it is refused."""

    kind: OutcomeKind
    reason: str | None = None

    @classmethod
    def parse(cls, text: str) -> PaymentOutcome:
        """Read `succeeds`, `processing`, `authentication_required` or `declined[:<code>]`."""
        kind, _, code = text.partition(":")
        if kind == "declined":
            return cls("declined", code or "generic_decline")
        if kind == text == "authentication_required":
            return cls("authentication_required", kind)
        if code or kind not in ("succeeds", "processing"):
            raise ValueError(
                f"{text!r} is not an outcome; use succeeds, processing, authentication_required "
                "or declined:<code>"
            )
        return cls(kind)  # type: ignore[arg-type]

    @property
    def code(self) -> str:
        """The error code of a refusal: some declines have a code of their own."""
        return self.reason if self.reason in _OWN_CODE else "card_declined"

    @property
    def message(self) -> str:
        """Stripe's words to the customer."""
        return _MESSAGES.get(self.reason or "", "Your card was declined.")

    def refusal(self, **objects: Any) -> Json:
        """Return the inside of the card error, with the `objects` that it is about."""
        param, decline_code = _OWN_CODE.get(self.reason or "", (None, self.reason))
        fields = {"code": self.code, "param": param, "decline_code": decline_code, **objects}
        return with_documentation(error_object(self.message, "card_error", **fields))


SUCCEEDS = PaymentOutcome("succeeds")

TEST_METHODS = {
    "pm_card_visa": "succeeds",
    "pm_card_visa_debit": "succeeds",
    "pm_card_mastercard": "succeeds",
    "pm_card_amex": "succeeds",
    "pm_card_us": "succeeds",
    "pm_card_gb": "succeeds",
    "pm_card_de": "succeeds",
    "pm_card_chargeCustomerFail": "declined:generic_decline",
    "pm_card_chargeDeclined": "declined:generic_decline",
    "pm_card_chargeDeclinedInsufficientFunds": "declined:insufficient_funds",
    "pm_card_chargeDeclinedLostCard": "declined:lost_card",
    "pm_card_chargeDeclinedStolenCard": "declined:stolen_card",
    "pm_card_chargeDeclinedExpiredCard": "declined:expired_card",
    "pm_card_chargeDeclinedIncorrectCvc": "declined:incorrect_cvc",
    "pm_card_chargeDeclinedProcessingError": "declined:processing_error",
    "pm_card_chargeDeclinedFraudulent": "declined:fraudulent",
    "pm_card_authenticationRequired": "authentication_required",
    "pm_card_threeDSecure2Required": "authentication_required",
    "pm_card_threeDSecureRequired": "authentication_required",
    "pm_usBankAccount": "processing",
    "pm_usBankAccount_success": "processing",
}
"""Stripe's test payment methods; each use of one makes a payment method of its own."""

TEST_NUMBERS = {
    "4242424242424242": "succeeds",
    "5555555555554444": "succeeds",
    "378282246310005": "succeeds",
    "4000000000000341": "declined:generic_decline",
    "4000000000000002": "declined:generic_decline",
    "4000000000009995": "declined:insufficient_funds",
    "4000000000009987": "declined:lost_card",
    "4000000000009979": "declined:stolen_card",
    "4000000000000069": "declined:expired_card",
    "4000000000000127": "declined:incorrect_cvc",
    "4000000000000119": "declined:processing_error",
    "4000002500003155": "authentication_required",
    "4000002760003184": "authentication_required",
    "4000000000003220": "authentication_required",
}
"""Stripe's test card numbers."""

ATTACHABLE_THOUGH_DECLINED = frozenset({"pm_card_chargeCustomerFail"})


def test_outcome(method_id: str) -> PaymentOutcome | None:
    """Return how one of Stripe's test payment methods behaves, None for any other id."""
    text = TEST_METHODS.get(method_id.replace("pm_card_visa_charge", "pm_card_charge"))
    return PaymentOutcome.parse(text) if text else None
