"""What Stripe's own objects say against a route: each check is named by its id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..models.findings import Finding


def lint_price(
    path: str, route: Mapping[str, str], price: Mapping[str, Any] | None
) -> list[Finding]:
    """Return what speaks against the route's price; None is one that Stripe does not have."""
    return [
        Finding(check, path, f"{route['price_id']} {why}") for check, why in _price(route, price)
    ]


def lint_customer(
    path: str, route: Mapping[str, str], customer: Mapping[str, Any] | None
) -> list[Finding]:
    """Return what speaks against the route's customer; None is one that Stripe does not have."""
    found = _customer(route, customer)
    return [Finding(check, path, f"{route['customer_id']} {why}") for check, why in found]


def _price(route: Mapping[str, str], price: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    if price is None:
        yield "price-missing", "does not exist in Stripe; correct price_id, or create the price"
        return
    if price.get("active") is False:
        yield "price-inactive", "is not active in Stripe; name another price, or activate it"
    wanted, own = route.get("currency"), price.get("currency")
    # A route without a currency of its own is billed in the price's.
    if wanted is not None and wanted != own and wanted not in (price.get("currency_options") or {}):
        yield (
            "price-currency",
            f"is in {own} and the route in {wanted}; correct the route's currency, or name "
            f"a price that has an amount in {wanted}",
        )


def _customer(
    route: Mapping[str, str], customer: Mapping[str, Any] | None
) -> Iterator[tuple[str, str]]:
    if customer is None:
        yield "customer-missing", "does not exist in Stripe; correct customer_id, or create one"
        return
    if customer.get("deleted"):
        yield "customer-deleted", "has been deleted in Stripe; name another customer"
    wanted, own = route.get("currency"), customer.get("currency")
    if wanted is not None and own is not None and wanted != own:
        yield (
            "customer-currency",
            f"pays subscriptions in {own} and the route is in {wanted}; use a customer for each "
            "currency",
        )


_BANK_DEBITS = frozenset(
    """
    acss_debit au_becs_debit bacs_debit nz_bank_account sepa_debit us_bank_account
    """.split()
)


def debited_method(path: str, name: str, method: Mapping[str, Any] | None) -> Iterator[Finding]:
    """Yield a payment method that is a bank's: days go by before it is known to have paid."""
    kind = "" if method is None else str(method.get("type"))
    if kind in _BANK_DEBITS:
        yield Finding("bank-debit", path, f"{name} is {kind}")


def debited_customer(
    path: str, route: Mapping[str, str], customer: Mapping[str, Any] | None
) -> Iterator[Finding]:
    """Yield a customer whose default payment method is a bank's."""
    settings = (customer or {}).get("invoice_settings") or {}
    method = settings.get("default_payment_method")
    kind = str(method.get("type")) if isinstance(method, Mapping) else ""
    if kind in _BANK_DEBITS:
        yield Finding("bank-debit", path, f"{route['customer_id']} pays by {kind}")
