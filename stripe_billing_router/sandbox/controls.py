"""What a test plays: the people, the banks and the dashboard around an account."""

from __future__ import annotations

from collections.abc import Mapping

from .dashboard import Dashboard
from .posting import Posting
from .resources.customers import new_customer
from .rules import checkout, disputes, payments, refunds, setups
from .rules.catalogue import keep_options, new_price, new_product
from .rules.outcomes import SUCCEEDS, PaymentOutcome
from .rules.payment_methods import attach, method_or_new, new_method, usable_method
from .state import AccountState
from .wire import Json, copied


class Controls(Dashboard, Posting):
    """Controls take and return ids. KeyError for an id that does not exist.

    Where `account` is not given, new objects belong to the world's own account.
    """

    def state(self, account: str | None = None) -> AccountState:
        """Return everything that an account holds; the world's own account unless given."""
        return self._accounts.state(account)

    # -- customers and their cards --------------------------------------------------------------

    def add_customer(
        self,
        id: str | None = None,
        *,
        email: str | None = None,
        name: str | None = None,
        default_payment_method: str | None = None,
        account: str | None = None,
    ) -> str:
        """Add a customer.

        `default_payment_method` is attached and becomes the default for invoices; an id that does
        not exist yet becomes a card that succeeds.
        """
        with self._lock:
            state = self.state(account)
            customer = new_customer(state, id)
            customer.update(email=email, name=name)
            state.emit("customer.created", state.add(customer))
            if default_payment_method:
                _make_default(state, customer, default_payment_method)
            return str(customer["id"])

    def set_default_payment_method(self, customer: str, payment_method: str) -> None:
        """Attach a payment method to a customer and make it the default for invoices.

        An id that does not exist yet becomes a card that succeeds.
        """
        with self._lock:
            state, owner = self._accounts.holder("customer", customer)
            _make_default(state, owner, payment_method)

    def add_payment_method(
        self,
        id: str | None = None,
        *,
        customer: str | None = None,
        outcome: str = "succeeds",
        default: bool = False,
        account: str | None = None,
    ) -> str:
        """Add a payment method.

        `outcome`: `succeeds`, `declined:<code>` such as `declined:insufficient_funds`,
        `authentication_required` or `processing`. `customer` is who it is attached to; `default`
        makes it that customer's default for invoices.
        """
        with self._lock:
            state = self.state(account)
            owner = state.require("customer", customer, "customer") if customer else None
            method = new_method(state, PaymentOutcome.parse(outcome), id)
            if customer:
                attach(state, method, customer)
            if owner and default:
                _make_default(state, owner, method["id"])
            return str(method["id"])

    def set_outcome(self, payment_method: str, outcome: str) -> None:
        """Let a payment method behave otherwise from now on."""
        with self._lock:
            state, _ = self._accounts.holder("payment_method", payment_method)
            state.outcomes[payment_method] = PaymentOutcome.parse(outcome)

    # -- the catalogue --------------------------------------------------------------------------

    def add_product(
        self, id: str | None = None, *, name: str = "Product", account: str | None = None
    ) -> str:
        """Add a product."""
        with self._lock:
            state = self.state(account)
            product = new_product(state, name, id)
            state.emit("product.created", state.add(product))
            return str(product["id"])

    def add_price(
        self,
        id: str | None = None,
        *,
        product: str | None = None,
        unit_amount: int = 1000,
        currency: str = "usd",
        interval: str | None = None,
        currency_options: Mapping[str, int] | None = None,
        account: str | None = None,
    ) -> str:
        """Add a price of `unit_amount` (minor units), recurring if `interval` is given.

        A `product` that does not exist yet is made. `currency_options`: minor units by currency.
        """
        with self._lock:
            state = self.state(account)
            if product is None or state.find("product", product) is None:
                product = self.add_product(product, account=account)
            recurring = {"interval": interval} if interval else None
            price = new_price(state, product, unit_amount, currency, recurring, id)
            keep_options(state, price, dict(currency_options or {}))
            state.emit("price.created", state.add(price))
            return str(price["id"])

    # -- what customers do ----------------------------------------------------------------------

    def complete_action(
        self, intent: str, succeed: bool = True, *, payment_method: str | None = None
    ) -> None:
        """Play the customer: finish 3-D Secure, or pay with another payment method; or fail to.

        `intent` is a payment intent or a setup intent. ValueError if it does not wait for its
        customer any more.
        """
        with self._lock:
            if intent.startswith("seti_"):
                setups.complete_action(*self._accounts.holder("setup_intent", intent), succeed)
                return
            state, found = self._accounts.holder("payment_intent", intent)
            waits = found["payment_method"] is None
            name = payment_method or ("pm_card_visa" if waits else None)
            method = method_or_new(state, name) if name else None
            payments.complete_action(state, found, succeed, method)

    def complete_checkout(self, session: str, *, payment_method: str = "pm_card_visa") -> None:
        """Play the customer on a Checkout page. A refused card leaves the session open.

        ValueError if the session is not open.
        """
        with self._lock:
            state, found = self._accounts.holder("checkout.session", session)
            checkout.require_open(found)
            customer = found["customer"] or self._new_payer(state, found)
            method = usable_method(state, payment_method, customer)
            checkout.complete(state, found, method, customer)

    def _new_payer(self, state: AccountState, session: Json) -> str | None:
        if session["mode"] != "subscription" and session["customer_creation"] != "always":
            return None
        return self.add_customer(email=session["customer_email"], account=state.id)

    def expire_checkout(self, session: str) -> None:
        """Let an open Checkout session expire. ValueError if it is not open."""
        with self._lock:
            state, found = self._accounts.holder("checkout.session", session)
            checkout.require_open(found)
            checkout.expire(state, found)

    # -- what banks do --------------------------------------------------------------------------

    def settle_processing(self, payment_intent: str, succeed: bool = True) -> None:
        """Let a payment that is processing come to its end. ValueError if it is not processing."""
        with self._lock:
            payments.settle(*self._accounts.holder("payment_intent", payment_intent), succeed)

    def settle_refund(self, refund: str) -> None:
        """Let a card's bank confirm a refund. ValueError if it has failed, or is no card's."""
        with self._lock:
            refunds.settle_refund(*self._accounts.holder("refund", refund))

    def fail_refund(self, refund: str, reason: str = "lost_or_stolen_card") -> None:
        """Let a refund come back. ValueError if it did not succeed before."""
        with self._lock:
            refunds.fail_refund(*self._accounts.holder("refund", refund), reason)

    def open_dispute(
        self, charge: str, *, amount: int | None = None, reason: str = "fraudulent"
    ) -> str:
        """Let the customer's bank take a charge back; `amount` in minor units.

        ValueError for a charge that was not collected or is disputed already.
        """
        with self._lock:
            state, found = self._accounts.holder("charge", charge)
            return str(disputes.new_dispute(state, found, amount, reason)["id"])

    def close_dispute(self, dispute: str, *, won: bool) -> None:
        """Decide a dispute. ValueError if it is decided already."""
        with self._lock:
            state, found = self._accounts.holder("dispute", dispute)
            disputes.close(state, found, won)


def _make_default(state: AccountState, customer: Json, method_id: str) -> None:
    known = state.find("payment_method", method_id)
    method = known or new_method(state, SUCCEEDS, method_id)
    attach(state, method, customer["id"])
    before = copied(customer)
    customer["invoice_settings"]["default_payment_method"] = method["id"]
    state.changed("customer.updated", customer, before)
