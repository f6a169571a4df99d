"""What people do in Stripe's dashboard, past the router: events tell of it, no request does."""

from __future__ import annotations

from .accounts import Accounts
from .rules import disputes, invoices, refunds, subscriptions
from .state import AccountState
from .wire import Json


class Dashboard:
    """Controls of the account's owners. KeyError for an id that does not exist.

    StripeFailure where Stripe would refuse it.
    """

    _accounts: Accounts

    def refund_in_dashboard(
        self, payment: str, *, amount: int | None = None, reason: str | None = None
    ) -> str:
        """Give back a payment intent or a charge: what is left of it, or `amount` (minor units)."""
        with self._accounts.lock:
            state, charge = self._charge(payment)
            return str(refunds.refund_rest(state, charge, amount, reason)["id"])

    def cancel_in_dashboard(self, subscription: str) -> None:
        """End a subscription now."""
        with self._accounts.lock:
            subscriptions.cancel(*self._accounts.holder("subscription", subscription))

    def void_in_dashboard(self, invoice: str) -> None:
        """Void an open invoice."""
        with self._accounts.lock:
            state, found = self._accounts.holder("invoice", invoice)
            invoices.in_state(found, ("open", "uncollectible"), "void")
            invoices.void(state, found)

    def answer_dispute(self, dispute: str) -> None:
        """Submit evidence: the bank looks at it. ValueError if it is decided already."""
        with self._accounts.lock:
            disputes.answer(*self._accounts.holder("dispute", dispute))

    def _charge(self, payment: str) -> tuple[AccountState, Json]:
        if not payment.startswith("pi_"):
            return self._accounts.holder("charge", payment)
        state, intent = self._accounts.holder("payment_intent", payment)
        return state, state.require("charge", str(intent["latest_charge"]))
