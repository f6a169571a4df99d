"""Puts the commands together and turns the library's errors into messages."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from ..errors import BillingError
from . import (
    approvals,
    check,
    check_usage,
    discrepancies,
    events,
    freezes,
    init,
    ledger,
    operations,
    pinning,
    routes,
    sandbox,
    status,
    vendoring,
    webhooks,
)
from .output import styled

_NAME: Final = "stripe-billing-router"
_SET_UP, _OPERATE, _PROVE, _DEVELOP = _PANELS = ("Set up", "Operate", "Prove", "Develop")

_MOST_USED: Final = """
Most used:

`check` says what is wrong, and how to mend it.

`status` says who is frozen, what waits for people, and what is spent.

`ledger verify` proves that nothing in the ledger was changed.
"""


class _Commands(TyperGroup):
    """Lists its commands by panel, and shows an error of the library as its message alone, on
    stderr, with exit code 2."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(super().list_commands(ctx), key=self._panel)

    def _panel(self, name: str) -> int:
        return _PANELS.index(getattr(self.commands[name], "rich_help_panel", None))

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BillingError as error:
            message = str(error)
        typer.echo(styled(message, "red"), err=True)
        raise typer.Exit(2)


app = typer.Typer(
    name=_NAME,
    cls=_Commands,
    no_args_is_help=True,
    epilog=_MOST_USED,
    rich_markup_mode="markdown",
    # Rich tracebacks show local variables, and those may hold keys.
    pretty_exceptions_enable=False,
)


def _say_version(wanted: bool) -> None:
    if not wanted:
        return
    try:
        typer.echo(version(_NAME))
    except PackageNotFoundError:
        typer.echo("a copy that is not installed")
    raise typer.Exit


@app.callback()
def entrance(
    show_version: Annotated[
        bool,
        typer.Option("--version", callback=_say_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """The only door through which your bots touch money."""


app.command("init", rich_help_panel=_SET_UP)(init.init)
app.command("vendor", rich_help_panel=_SET_UP)(vendoring.vendor)
app.command("pin-account", rich_help_panel=_SET_UP)(pinning.pin_account)
app.command("check", rich_help_panel=_SET_UP)(check.check)
app.add_typer(routes.app, name="routes", rich_help_panel=_SET_UP)

app.command("status", rich_help_panel=_OPERATE)(status.status)
app.command("freeze", rich_help_panel=_OPERATE)(freezes.freeze)
app.command("unfreeze", rich_help_panel=_OPERATE)(freezes.unfreeze)
app.add_typer(approvals.app, name="approvals", rich_help_panel=_OPERATE)
app.add_typer(operations.app, name="operations", rich_help_panel=_OPERATE)
app.add_typer(webhooks.app, name="webhooks", rich_help_panel=_OPERATE)
app.add_typer(events.app, name="events", rich_help_panel=_OPERATE)

app.add_typer(ledger.app, name="ledger", rich_help_panel=_PROVE)
app.add_typer(discrepancies.app, name="discrepancies", rich_help_panel=_PROVE)

app.command("check-usage", rich_help_panel=_DEVELOP)(check_usage.check_usage)
app.command("sandbox", rich_help_panel=_DEVELOP)(sandbox.sandbox)


def main() -> None:
    """Run the command line; the entry point of the console script."""
    app()
