"""`routes lint`: what is valid in the routing file and cannot be meant."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from ..bootstrap import all_verbs
from ..config import RoutingFile
from ..models.findings import Finding
from ..policy.linting import lint_policies
from ..routing.linting import changed_routes, lint_overrides
from ..routing.stripe_objects import debited_customer, debited_method, lint_customer, lint_price
from .catalogue import Catalogue
from .ground import ConfigOption, JsonOption, routing_file
from .output import as_json, as_table

_Online = Annotated[
    bool, typer.Option("--online", help="Also look the prices and customers up in Stripe.")
]


def lint(
    online: _Online = False, config: ConfigOption = None, as_json_: JsonOption = False
) -> None:
    """Find overrides and policies that cannot be meant.

    They do nothing, or contradict one another. Exit code 1 if there are any.
    """
    findings = list(dict.fromkeys(_findings(config, online)))
    if as_json_:
        as_json([finding._asdict() for finding in findings])
    elif findings:
        as_table(Finding._fields, findings)
    typer.echo(f"{len(findings)} finding{'' if len(findings) == 1 else 's'}.", err=True)
    if findings:
        raise typer.Exit(1)


def _findings(config: Path | None, online: bool) -> Iterator[Finding]:
    file = routing_file(config)
    yield from lint_overrides(file.routes, file.overrides)
    currencies = {key: r.currency or file.default_currency for key, r in file.routes.items()}
    yield from lint_policies(file.policies, currencies, all_verbs().values())
    if online:
        with Catalogue(config) as catalogue:
            yield from against_stripe(file, catalogue)


def against_stripe(file: RoutingFile, catalogue: Catalogue) -> Iterator[Finding]:
    """Yield what Stripe's own objects say against the prices and customers of a file's routes."""
    for path, route in changed_routes(file.routes, file.overrides):
        yield from lint_price(path, route, catalogue.price(route["price_id"]))
        yield from lint_customer(path, route, catalogue.customer(route["customer_id"]))


def bank_debits(file: RoutingFile, catalogue: Catalogue) -> Iterator[Finding]:
    """Yield the routes whose payment method, else their customer's default, is a bank debit."""
    for path, route in changed_routes(file.routes, file.overrides):
        own = route.get("payment_method_id")
        if own is not None:
            yield from debited_method(path, own, catalogue.payment_method(own))
        else:
            yield from debited_customer(path, route, catalogue.customer(route["customer_id"]))
