"""Puts the commands together and turns the library's errors into messages."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from ..errors import BillingError
from . import check, check_usage, init, ledger, operations, pinning, routes, sandbox, vendoring


class _Commands(TyperGroup):
    """Shows an error of the library as its message alone, on stderr, with exit code 2."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BillingError as error:
            message = str(error)
        typer.secho(message, fg="red", err=True)
        raise typer.Exit(2)


app = typer.Typer(
    name="stripe-billing-router",
    help="The only door through which your bots touch money.",
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    # Rich tracebacks show local variables, and those may hold keys.
    pretty_exceptions_enable=False,
)
app.command("init")(init.init)
app.command("vendor")(vendoring.vendor)
app.command("pin-account")(pinning.pin_account)
app.command("check")(check.check)
app.command("check-usage")(check_usage.check_usage)
app.command("sandbox")(sandbox.sandbox)
app.add_typer(routes.app, name="routes")
app.add_typer(operations.app, name="operations")
app.add_typer(ledger.app, name="ledger")


def main() -> None:
    """Run the command line; the entry point of the console script."""
    app()
