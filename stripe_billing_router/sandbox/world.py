"""The sandbox itself: a Stripe with its own clock, keys, objects and faults."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from ..master_account import STRIPE_MASTER_ACCOUNT_ID
from .access import SANDBOX_SECRET_KEY, KeyRing, presented_key
from .accounts import Accounts
from .clock import VirtualClock
from .controls import Controls
from .exchange import Exchange
from .expansion import Expander
from .failures import StripeFailure
from .faults import FaultPlan
from .form import parsed
from .identifiers import Identifiers
from .journal import RecordedRequest
from .resources import FAMILIES
from .routing import Router
from .state import AccountState
from .wire import HttpRequest, HttpResponse, Json, copied

SANDBOX_API_VERSION = "2026-10-28.endive"


class World(Controls):
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
        self._ids = Identifiers(seed)
        self._keys = KeyRing()
        nouns = {kind: noun for family in FAMILIES for kind, noun in family.nouns.items()}
        super().__init__(
            Accounts(
                account_id,
                self.clock,
                seed,
                SANDBOX_API_VERSION,
                nouns,
                _reactions(),
                redirect_methods,
            )
        )
        self._exchange = Exchange(
            Router(route for family in FAMILIES for route in family.routes),
            Expander(_merged("expandable"), _merged("included")),
            self._keys,
            self._accounts,
            self.clock,
            SANDBOX_API_VERSION,
        )
        self.add_key(SANDBOX_SECRET_KEY)

    # -- requests -------------------------------------------------------------------------------

    def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer one request; WireFault where a fault lets no response come back."""
        with self._lock:
            record = self._recorded(request)
            fault = self.faults.take(record)
            if fault is None or not fault.unreachable:
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

    # -- keys -----------------------------------------------------------------------------------

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

    # -- time -----------------------------------------------------------------------------------

    def advance(self, seconds: float) -> None:
        """Let virtual time go by, and with it what Stripe does by itself."""
        self.clock.advance(seconds)
        with self._lock:
            list(self._accounts.states())
            self.posted.set()

    # -- looking in -----------------------------------------------------------------------------

    def has(self, id: str, account: str | None = None) -> bool:
        """Whether there is an object with this id."""
        with self._lock:
            return any(True for _ in self._with_id(id, account))

    def get(self, id: str, account: str | None = None) -> Json:
        """Return a copy of the object with this id, of whatever kind. KeyError if there is none."""
        with self._lock:
            for obj in self._with_id(id, account):
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

    def _with_id(self, object_id: str, account: str | None) -> Iterator[Json]:
        states = [self.state(account)] if account else self._accounts.states()
        for state in states:
            yield from state.with_id(object_id)


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
