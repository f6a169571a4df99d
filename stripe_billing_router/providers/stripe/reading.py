"""Requests that may be sent any number of times: retried a little, never guessed. What a plan needs
is read through a cache, good for minutes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Generic, TypeVar

from ...errors import (
    KeyConfigurationError,
    LedgerTamperedError,
    LedgerUnavailableError,
    RateLimitedError,
    StripeRequestError,
    StripeUnavailableError,
)
from ...hashing import key_fingerprint
from ...locks import ForkSafeLock
from ...models import Outcome
from ...money import CURRENCIES
from ...ports import Clock, Keys, Reply, Request, Store, Transport
from .verbs import Price, email_in, misplaced

T = TypeVar("T")

_ATTEMPTS = 3
_LONGEST_WAIT = 10.0


class Reader:
    """Reads from the payment provider, and sends what is safe to repeat."""

    def __init__(self, provider: Transport, clock: Clock) -> None:
        self._provider = provider
        self._clock = clock

    def get(
        self, path: str, secret_key: str, expects: str, params: Mapping[str, Any] | None = None
    ) -> Reply:
        """Return Stripe's answer, of any status below 500 but 429.

        Raises StripeUnavailableError or RateLimitedError where there is none.
        """
        version = self._provider.api_version
        return self.ask(Request("get", path, params or {}, secret_key, version, expects))

    def ask(self, request: Request) -> Reply:
        """Return Stripe's answer to a request that may be sent any number of times."""
        for attempt in range(_ATTEMPTS):
            reply = self._provider.send(request)
            if _answered(reply):
                return reply
            wait = reply.wait(attempt)
            if attempt == _ATTEMPTS - 1 or wait > _LONGEST_WAIT:
                break
            self._clock.sleep(wait)
        raise _unavailable(reply)

    def account(self, secret_key: str) -> Reply:
        """Return what Stripe says of the account behind a key."""
        return self.get("/v1/account", secret_key, "account")


def _answered(reply: Reply) -> bool:
    status = reply.status or 0
    return reply.kind == "answered" and status not in (409, 429) and status < 500


def _unavailable(reply: Reply) -> RateLimitedError | StripeUnavailableError:
    if reply.status == 429:
        return RateLimitedError(
            "Stripe asks to slow down; nothing was sent. Repeat the call in a while.",
            retry_after=reply.retry_after,
            request_id=reply.request_id,
        )
    return StripeUnavailableError(
        f"Stripe could not be read ({reply.note or reply.status}); nothing was collected by this. "
        "Check the network and https://status.stripe.com, then repeat the call.",
        http_status=reply.status,
        request_id=reply.request_id,
    )


_GOOD_FOR = 300.0

V = TypeVar("V")


class _Cache(Generic[V]):
    """Values by id, each good for minutes; None is not remembered."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[str, tuple[float, V]] = {}
        self._lock = ForkSafeLock()

    def get(self, name: str, find: Callable[[], V | None]) -> V | None:
        with self._lock:
            known = self._known.get(name)
        if known is not None and self._clock.elapsed() - known[0] < _GOOD_FOR:
            return known[1]
        value = find()
        if value is not None:
            with self._lock:
                self._known[name] = (self._clock.elapsed(), value)
        return value

    def forget(self, value: V) -> None:
        with self._lock:
            gone = [name for name, (_, known) in self._known.items() if known == value]
            for name in gone:
                del self._known[name]


class Lookups:
    """What Stripe knows of customers, prices and payments, shared by all calls of a router."""

    def __init__(self, reader: Reader, store: Store, clock: Clock) -> None:
        self.reader = reader
        self.store = store
        self.methods: _Cache[str] = _Cache(clock)
        self.prices: _Cache[Price] = _Cache(clock)
        self.emails: _Cache[str] = _Cache(clock)

    def with_keys(self, keys: Keys) -> KeyedLookups:
        return KeyedLookups(self, keys.secret_key)

    def email_of(self, customer_id: str | None) -> str | None:
        """Return the e-mail address of a customer that was read for another reason."""
        return self.emails.get(str(customer_id), lambda: None)

    def made(self, payment_id: str) -> Outcome | None:
        """Return the outcome of a payment's own operation, which bears a seal; None if the ledger
        knows none."""
        with suppress(LedgerUnavailableError, LedgerTamperedError):
            made = self.store.maker_of(payment_id)
            return None if made is None else made.outcome
        return None

    def forget_payment_method(self, method: str) -> None:
        """Drop a payment method that Stripe says is gone."""
        self.methods.forget(method)


class KeyedLookups:
    """The same, for one call with its key."""

    def __init__(self, lookups: Lookups, secret_key: str) -> None:
        self._lookups = lookups
        self._key = secret_key

    def default_payment_method(self, customer_id: str) -> str | None:
        """Return the customer's default payment method. That there is none is not remembered."""
        path = f"/v1/customers/{customer_id}"
        return self._lookups.methods.get(
            customer_id, lambda: self._read(path, "customer", customer_id, self._method_of)
        )

    def _method_of(self, customer: Mapping[str, Any]) -> str | None:
        self._lookups.emails.get(str(customer["id"]), lambda: email_in(customer))
        return _default_method(customer)

    def price(self, price_id: str) -> Price:
        path, params = f"/v1/prices/{price_id}", {"expand": ["currency_options"]}
        found = self._lookups.prices.get(
            price_id, lambda: self._read(path, "price", price_id, _price, params)
        )
        assert found is not None  # noqa: S101 - _read raises where there is no price
        return found

    def payment_of_invoice(self, invoice_id: str) -> str:
        """Return the payment intent or charge that paid an invoice."""
        params = {"invoice": invoice_id, "status": "paid", "limit": 2}
        payments = self._read("/v1/invoice_payments", "list", invoice_id, _payments, params)
        if len(payments) != 1:
            raise StripeRequestError(
                f"{invoice_id} has {len(payments) or 'no'} payments, not one; refund the payment "
                "itself by its own id.",
                parameter="payment_id",
            )
        return payments[0]

    def renewal(self, invoice_id: str) -> tuple[str, int, str] | None:
        """Return the subscription that an invoice renews, what it collected in minor units, and
        its currency; None if it is no such invoice."""
        if not invoice_id.startswith("in_"):
            return None
        return self._read(f"/v1/invoices/{invoice_id}", "invoice", invoice_id, _renewal)

    def currency_of_payment(self, payment_id: str) -> str:
        """Return the currency from the outcome of the payment's own operation, which bears a seal,
        else from Stripe."""
        made = self._lookups.made(payment_id)
        if made is not None and made.currency is not None:
            return made.currency
        kind = "payment_intent" if payment_id.startswith("pi_") else "charge"
        return self._read(f"/v1/{kind}s/{payment_id}", kind, payment_id, _currency)

    def owed(self, customer_id: str, currency: str) -> int:
        """Return minor units that a customer's next invoice collects besides its own lines: their
        balance and pending items in this currency. A debt may be new: it is never remembered."""
        path, query = "/v1/invoiceitems", {"customer": customer_id, "pending": True, "limit": 100}
        balance = self._read(f"/v1/customers/{customer_id}", "customer", customer_id, _balance)
        pending = self._read(path, "list", customer_id, partial(_pending, currency), query)
        return max(0, balance + pending)

    def _read(
        self,
        path: str,
        expects: str,
        name: str,
        find: Callable[[Mapping[str, Any]], V],
        params: Mapping[str, Any] | None = None,
    ) -> V:
        reply = self._lookups.reader.get(path, self._key, expects, params)
        if reply.status != 200 or reply.body.get("deleted"):
            raise _not_found(name, reply)
        try:
            if expects != "list" and reply.body["id"] != name:
                raise ValueError(reply.body["id"])
            if expects == "list" and misplaced(params or {}, reply.body["data"]):
                raise ValueError(name)
            return find(reply.body)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            raise StripeUnavailableError(
                f"What Stripe shows of {name} cannot be read; nothing was sent. Repeat the call, "
                "or see https://status.stripe.com.",
                http_status=reply.status,
                request_id=reply.request_id,
            ) from None


def _default_method(customer: Mapping[str, Any]) -> str | None:
    settings = customer.get("invoice_settings")
    method = settings.get("default_payment_method") if isinstance(settings, Mapping) else None
    method = method or customer.get("default_source")
    return str(method) if method else None


def _balance(customer: Mapping[str, Any]) -> int:
    return int(customer["balance"])


def _renewal(invoice: Mapping[str, Any]) -> tuple[str, int, str] | None:
    details = (invoice.get("parent") or {}).get("subscription_details") or {}
    subscription = details.get("subscription")
    if subscription is None:
        return None
    return str(subscription), int(invoice["amount_paid"]), _currency(invoice)


def _pending(currency: str, items: Mapping[str, Any]) -> int:
    """Return the sum of pending items; ValueError if there are more than are shown."""
    if items["has_more"]:
        raise ValueError("more pending items than one page shows")
    return sum(int(item["amount"]) for item in items["data"] if item["currency"] == currency)


def _payments(body: Mapping[str, Any]) -> list[str]:
    """Return the payments of an invoice; ValueError for one of another kind, or not paid."""
    if any(item["status"] != "paid" for item in body["data"]):
        raise ValueError("a payment that is not paid")
    return [_payment(item["payment"]) for item in body["data"]]


def _payment(payment: Mapping[str, Any]) -> str:
    found = payment.get("payment_intent") or payment["charge"]
    if not found.startswith(("pi_", "ch_", "py_")):
        raise ValueError(found)
    return str(found)


def _currency(body: Mapping[str, Any]) -> str:
    """Return an object's currency; KeyError for one whose minor units are not known."""
    return CURRENCIES[body["currency"]].code


def _price(body: Mapping[str, Any]) -> Price:
    options = dict(body.get("currency_options") or {})
    options[_currency(body)] = body
    return Price(
        id=str(body["id"]),
        currency=_currency(body),
        amounts={
            code: option["unit_amount"]
            for code, option in options.items()
            if option.get("unit_amount") is not None and not _varies(body)
        },
        recurring=body.get("recurring") is not None,
    )


def _varies(price: Mapping[str, Any]) -> bool:
    """Tiers, metered use, packages and a customer's own amount: not piece times quantity."""
    recurring = price.get("recurring")
    metered = isinstance(recurring, Mapping) and recurring.get("usage_type") == "metered"
    tiered = price.get("billing_scheme") == "tiered"
    return bool(
        metered or tiered or price.get("transform_quantity") or price.get("custom_unit_amount")
    )


def _not_found(name: str, reply: Reply) -> StripeRequestError:
    return StripeRequestError(
        f"Stripe does not show {name} (HTTP {reply.status}). Correct the id in the route or the "
        "call, or the key's permissions; nothing was sent.",
        http_status=reply.status,
        request_id=reply.request_id,
    )


def account_named(reply: Reply, keys: Keys) -> str:
    """Return the account behind a key, or what the file pins the key to if it may not read it."""
    if reply.status == 200:
        return _named(reply)
    pinned = keys.accounts.get(key_fingerprint(keys.secret_key))
    if reply.status == 403 and pinned is not None:
        return pinned
    raise _refused(reply, keys.source)


def _named(reply: Reply) -> str:
    """Return the account that Stripe names; what names none is no foreign account."""
    account = reply.body.get("id")
    if isinstance(account, str) and account.startswith("acct_"):
        return account
    raise StripeUnavailableError(
        "Stripe's answer does not say whose the key is; nothing was sent. Repeat the call, or see "
        "https://status.stripe.com.",
        http_status=reply.status,
        request_id=reply.request_id,
    )


def _refused(reply: Reply, source: str) -> KeyConfigurationError:
    if reply.status == 403:
        return KeyConfigurationError(
            f"The restricted key from {source} may not read its own account. Give it that "
            "permission, or pin its fingerprint to the account under allowed_secret_keys.",
            reason="account_unreadable",
        )
    return KeyConfigurationError(
        f"Stripe refuses the key from {source} (HTTP {reply.status}). Replace it with a live key "
        "that has not been revoked.",
        reason="refused_by_stripe",
    )
