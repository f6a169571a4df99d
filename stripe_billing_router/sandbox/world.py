"""The sandbox itself: a Stripe with its own clock, keys and objects, and controls to play with."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from ..master_account import STRIPE_MASTER_ACCOUNT_ID
from .access import SANDBOX_SECRET_KEY, KeyRing, presented_key
from .clock import VirtualClock
from .exchange import Exchange
from .expansion import Expander
from .failures import StripeFailure
from .faults import FaultPlan
from .form import parsed
from .identifiers import Identifiers
from .journal import RecordedRequest
from .resources import FAMILIES
from .resources.customers import new_customer
from .routing import Router
from .rules import payments
from .rules.outcomes import PaymentOutcome
from .rules.payment_methods import method_or_new, new_method
from .state import AccountState
from .wire import HttpRequest, HttpResponse, Json, WireFault, copied

SANDBOX_API_VERSION = "2026-10-28.endive"


class World:
    """A whole Stripe in memory, safe under threads.

    `account_id` owns the default key. `now_ms` starts the virtual clock (milliseconds since the
    epoch); `clock` replaces it. Equal `seed`s give equal ids. `redirect_methods` says whether the
    account accepts payment methods that redirect: then a payment that is confirmed without
    `return_url` must have said `automatic_payment_methods[allow_redirects]=never`.
    """

    def __init__(
        self,
        account_id: str = STRIPE_MASTER_ACCOUNT_ID,
        now_ms: int | None = None,
        *,
        clock: VirtualClock | None = None,
        seed: int | str = 0,
        redirect_methods: bool = True,
    ) -> None:
        self.account_id = account_id
        self.clock = clock or VirtualClock(now_ms)
        self.faults = FaultPlan()
        self.requests: list[RecordedRequest] = []
        self._seed = seed
        self._redirect_methods = redirect_methods
        self._ids = Identifiers(seed)
        self._lock = threading.RLock()
        self._accounts: dict[str, AccountState] = {}
        self._keys = KeyRing()
        self._nouns = {kind: noun for family in FAMILIES for kind, noun in family.nouns.items()}
        self._reactions = _reactions()
        self._exchange = self._new_exchange()
        self.add_key(SANDBOX_SECRET_KEY)

    def _new_exchange(self) -> Exchange:
        return Exchange(
            Router(route for family in FAMILIES for route in family.routes),
            Expander(_merged("expandable"), _merged("included")),
            self._keys,
            self.state,
            self.clock,
            self._lock,
            SANDBOX_API_VERSION,
        )

    # -- requests -------------------------------------------------------------------------------

    def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer one request; WireFault where a fault lets no response come back."""
        with self._lock:
            record = self._recorded(request)
            fault = self.faults.take(record)
            if fault and fault.kind in ("refused", "connect_timeout"):
                raise WireFault(fault.kind)
            self.requests.append(record)
        return self._exchange.answer(request, record, *([fault] if fault else []))

    def _recorded(self, request: HttpRequest) -> RecordedRequest:
        return RecordedRequest(
            method=request.method,
            path=request.path,
            params=_readable(request),
            headers=request.headers,
            api_key=presented_key(request.headers),
            idempotency_key=request.headers.get("idempotency-key") or None,
            request_id=self._ids.new("req_", 14),
            at_ms=self.clock.now_ms(),
        )

    # -- keys and accounts ----------------------------------------------------------------------

    def add_key(
        self,
        key: str,
        *,
        restricted: bool = False,
        account: str | None = None,
        denied: Collection[str] | None = None,
    ) -> None:
        """Make `key` valid for an account (the world's own unless given).

        `denied`: the resources it may not touch, by the first word of their path, such as
        `{"account", "customers"}`; a `restricted` key may not read its account unless said.
        """
        refused = ({"account"} if restricted else set()) if denied is None else denied
        self._keys.add(key, account or self.account_id, refused)

    def revoke_key(self, key: str) -> None:
        """Let a key be answered 401 from now on. KeyError if it was never added."""
        self._keys.revoke(key)

    def state(self, account_id: str | None = None) -> AccountState:
        """Return everything that an account holds; the world's own account unless given."""
        with self._lock:
            name = account_id or self.account_id
            if name not in self._accounts:
                self._accounts[name] = self._new_state(name)
            return self._accounts[name]

    def _new_state(self, name: str) -> AccountState:
        seed = f"{self._seed}/{name}"
        state = AccountState(
            name, self.clock, Identifiers(seed), SANDBOX_API_VERSION, self._nouns, self._reactions
        )
        state.redirect_methods = self._redirect_methods
        return state

    # -- people and their cards -----------------------------------------------------------------

    def add_customer(
        self,
        id: str | None = None,
        *,
        email: str | None = None,
        name: str | None = None,
        default_payment_method: str | None = None,
        account: str | None = None,
    ) -> str:
        """Add a customer and return its id.

        `default_payment_method` is attached and becomes the default for invoices; an id that does
        not exist yet becomes a card that succeeds.
        """
        with self._lock:
            state = self.state(account)
            customer = new_customer(state, id)
            customer.update(email=email, name=name)
            state.emit("customer.created", state.add(customer))
        if default_payment_method:
            self.set_default_payment_method(customer["id"], default_payment_method)
        return str(customer["id"])

    def set_default_payment_method(self, customer: str, payment_method: str) -> None:
        """Attach a payment method to a customer and make it the default for invoices.

        An id that does not exist yet becomes a card that succeeds.
        """
        with self._lock:
            state, owner = self._holder("customer", customer)
            known = state.find("payment_method", payment_method)
            method = known or new_method(state, PaymentOutcome("succeeds"), payment_method)
            method["customer"] = owner["id"]
            owner["invoice_settings"]["default_payment_method"] = method["id"]

    def add_payment_method(
        self,
        id: str | None = None,
        *,
        customer: str | None = None,
        outcome: str = "succeeds",
        default: bool = False,
        account: str | None = None,
    ) -> str:
        """Add a payment method and return its id.

        `outcome`: `succeeds`, `declined:<code>` such as `declined:insufficient_funds`,
        `authentication_required` or `processing`. `customer` is who it is attached to; `default`
        makes it that customer's default for invoices.
        """
        with self._lock:
            state = self.state(account)
            method = new_method(state, PaymentOutcome.parse(outcome), id)
            if customer:
                owner = state.require("customer", customer, "customer")
                method["customer"] = owner["id"]
                if default:
                    self.set_default_payment_method(customer, method["id"])
            return str(method["id"])

    def set_outcome(self, payment_method: str, outcome: str) -> None:
        """Let a payment method behave otherwise from now on."""
        with self._lock:
            state, _ = self._holder("payment_method", payment_method)
            state.outcomes[payment_method] = PaymentOutcome.parse(outcome)

    # -- what customers and banks do ------------------------------------------------------------

    def complete_action(
        self, payment_intent: str, succeed: bool = True, *, payment_method: str | None = None
    ) -> None:
        """Play the customer: finish 3-D Secure, or pay with another payment method; or fail to.

        ValueError if the payment does not wait for its customer any more.
        """
        with self._lock:
            state, intent = self._holder("payment_intent", payment_intent)
            waits_without = intent["payment_method"] is None
            name = payment_method or ("pm_card_visa" if waits_without else None)
            method = method_or_new(state, name) if name else None
            payments.complete_action(state, intent, succeed, method)

    def settle_processing(self, payment_intent: str, succeed: bool = True) -> None:
        """Let a payment that is processing come to its end. ValueError if it is not processing."""
        with self._lock:
            state, intent = self._holder("payment_intent", payment_intent)
            payments.settle(state, intent, succeed)

    def advance(self, seconds: float) -> None:
        """Let virtual time go by."""
        self.clock.advance(seconds)

    # -- looking in -----------------------------------------------------------------------------

    def has(self, id: str, account: str | None = None) -> bool:
        """Whether there is an object with this id."""
        with self._lock:
            states = [self.state(account)] if account else list(self._accounts.values())
            return any(True for state in states for _ in state.with_id(id))

    def get(self, id: str, account: str | None = None) -> Json:
        """Return a copy of the object with this id, of whatever kind. KeyError if there is none."""
        with self._lock:
            states = [self.state(account)] if account else list(self._accounts.values())
            for state in states:
                for obj in state.with_id(id):
                    return copied(obj)
        raise KeyError(id)

    def objects(self, kind: str, account: str | None = None) -> list[Json]:
        """Return copies of all objects of a kind (`"charge"`, `"payment_intent"`), oldest first."""
        with self._lock:
            return copied(list(self.state(account).all(kind))[::-1])

    def effects(self, account: str | None = None) -> list[Json]:
        """Return copies of all charges that moved money, oldest first."""
        charges = self.objects("charge", account)
        return [charge for charge in charges if charge["amount_captured"] > 0]

    def _holder(self, kind: str, object_id: str) -> tuple[AccountState, Json]:
        for state in self._accounts.values():
            found = state.find(kind, object_id)
            if found:
                return state, found
        raise KeyError(object_id)


def _readable(request: HttpRequest) -> Json:
    """Return the parameters, none where they are malformed: the answer will say so."""
    try:
        return parsed(request.form)
    except StripeFailure:
        return {}


def _reactions() -> dict[str, list[Callable[[AccountState, Json], None]]]:
    found: dict[str, list[Callable[[AccountState, Json], None]]] = {}
    for family in FAMILIES:
        for event, reaction in family.reactions.items():
            found.setdefault(event, []).append(reaction)
    return found


def _merged(name: str) -> dict[str, dict[str, Any]]:
    merged: dict[str, dict[str, Any]] = {}
    for kind, fields in _declarations(name):
        merged.setdefault(kind, {}).update(fields)
    return merged


def _declarations(name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for family in FAMILIES:
        yield from getattr(family, name).items()
