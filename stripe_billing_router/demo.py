"""A demonstration: bots charge in two regions, and things go wrong as they do in life.

Run it with `python -m stripe_billing_router.demo`. Its Stripe is the sandbox, its ledger a
temporary SQLite file. The exit code is 0 only if everything it says is true.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from . import config
from .api import charge
from .errors import PaymentActionRequiredError, PaymentDeclinedError
from .sandbox import Fault
from .testing import Sandbox, sandbox

BOT = "finance:finance_router_bot"
CUSTOMER = "cus_finance_router"

Story = Iterator[tuple[str, bool]]


def main() -> int:
    """Run the demonstration; return 0 if all of it held, else 1."""
    console = Console(highlight=False)
    console.print("[bold]A bot and its money[/bold] (sandbox, nothing real is charged)\n")
    routes = Path(config.__file__).parent / "templates" / "stripe_billing_router.yaml"
    with sandbox(routes, despite_live_pin=True) as box:
        held = [_told(console, *line) for scene in SCENES for line in scene(box)]
        console.print(_ledger_table(box))
        held += [_told(console, *line) for line in _the_books_agree(box)]
    if all(held):
        console.print(f"\n[green]All {len(held)} statements held.[/green]")
        return 0
    console.print(f"\n[red]{held.count(False)} of {len(held)} statements did not hold.[/red]")
    return 1


def _told(console: Console, statement: str, held: bool) -> bool:
    console.print(f" {'[green]✓[/green]' if held else '[red]✗[/red]'} {statement}")
    return held


def _two_regions(_: Sandbox) -> Story:
    home = charge(BOT, "19.99")
    yield f"charged 19.99 in the default region: {home!r}", home.paid and home.currency == "usd"
    abroad = charge(BOT, 5, overrides={"region": "eu"})
    yield f"charged 5 in the region eu: {abroad!r}", abroad.paid and abroad.currency == "eur"


def _a_decline(box: Sandbox) -> Story:
    method = box.world.add_payment_method(customer=CUSTOMER, outcome="declined:insufficient_funds")
    try:
        charge(BOT, "42.00", payment_method_id=method)
    except PaymentDeclinedError as error:
        left = box.world.get(str(error.stripe_id))["status"]
        yield f"declined ({error.decline_code}); its payment is {left}", left == "canceled"
    else:
        yield "a declined payment raises PaymentDeclinedError", False


def _the_customer_is_needed(box: Sandbox) -> Story:
    method = box.world.add_payment_method(customer=CUSTOMER, outcome="authentication_required")
    try:
        charge(BOT, "7.00", payment_method_id=method)
    except PaymentActionRequiredError as error:
        told = error.client_secret is not None and error.money == "not_moved"
        yield f"the customer has to confirm {error.stripe_id}; no money moved", told
    else:
        yield "a payment that needs its customer raises PaymentActionRequiredError", False


def _the_same_key_twice(box: Sandbox) -> Story:
    first = charge(BOT, "12.50", idempotency_key="invoice-2026-001")
    before = len(box.world.requests)
    again = charge(BOT, "12.50", idempotency_key="invoice-2026-001")
    silent = len(box.world.requests) == before
    yield "the same key again gave the same payment and no request", again == first and silent


def _a_cut_connection(box: Sandbox) -> Story:
    box.world.faults.add(Fault("cut", effect=True, match="POST /v1/payment_intents"))
    before = len(box.world.effects())
    done = charge(BOT, "30.00")
    moved = len(box.world.effects()) - before
    yield f"the line was cut after Stripe had charged; recovered as {done!r}", done.paid
    yield f"and the customer paid {moved} time", moved == 1


def _the_books_agree(box: Sandbox) -> Story:
    checked = box.ledger.verify()
    yield f"the ledger's chain verifies: {checked.entries} entries", checked.ok
    booked = sum(entry.amount_minor or 0 for entry in box.ledger.entries())
    moved = sum(effect["amount"] for effect in box.world.effects())
    yield "ledger and Stripe agree to the cent", booked == moved
    intents = {e.operation_id for e in box.ledger.entries()}
    known = {effect["metadata"].get("operation_id") for effect in box.world.effects()}
    yield "every payment in Stripe has its entry in the ledger", known <= intents


SCENES: tuple[Callable[[Sandbox], Story], ...] = (
    _two_regions,
    _a_decline,
    _the_customer_is_needed,
    _the_same_key_twice,
    _a_cut_connection,
)


def _ledger_table(box: Sandbox) -> Table:
    table = Table(title=f"\nstripe_ledger of {BOT}", title_justify="left")
    for column in ("#", "action", "amount", "state", "Stripe id", "hash"):
        table.add_column(column, justify="right" if column == "amount" else "left", no_wrap=True)
    for entry in box.ledger.entries():
        table.add_row(
            str(entry.sequence),
            entry.action_type,
            f"{entry.amount} {entry.currency}",
            entry.status,
            entry.id[:14] + "…",
            entry.entry_hash[:8],
        )
    return table


if __name__ == "__main__":
    sys.exit(main())
