"""Puts the commands together and turns the library's errors into messages."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from ..bootstrap import INSTALLED, domain, loaded
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
    projections,
    routes,
    sandbox,
    status,
    vendoring,
    webhooks,
)
from .output import styled

_NAME: Final = "stripe-billing-router"
_SET_UP, _BILL, _OPERATE, _PROVE, _DEVELOP = _PANELS = (
    "Set up",
    "Bill",
    "Operate",
    "Prove",
    "Develop",
)

_MOST_USED: Final = """
Most used:

`check` says what is wrong, and how to mend it.

`status` says who is frozen, what waits for people, and what is spent.

`ledger verify` proves that nothing in the ledger was changed.
"""


class _Commands(TyperGroup):
    """Lists its commands by panel, and shows an error of the library as its message alone, on
    stderr, with exit code 2. An installed domain's are imported when they are asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        ours = [*INSTALLED, *super().list_commands(ctx)]
        return sorted(filter(self._is_there, ours), key=self._panel)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in INSTALLED and (commands := domain(cmd_name).commands) is not None:
            found = typer.main.get_group(loaded(commands))
            found.name, found.rich_help_panel = cmd_name, _BILL
            return found
        return super().get_command(ctx, cmd_name)

    def _is_there(self, name: str) -> bool:
        return name in self.commands or domain(name).commands is not None

    def _panel(self, name: str) -> int:
        return _PANELS.index(getattr(self.commands.get(name), "rich_help_panel", _BILL))

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
app.add_typer(projections.app, name="projections", rich_help_panel=_OPERATE)

app.add_typer(ledger.app, name="ledger", rich_help_panel=_PROVE)
app.add_typer(discrepancies.app, name="discrepancies", rich_help_panel=_PROVE)

app.command("check-usage", rich_help_panel=_DEVELOP)(check_usage.check_usage)
app.command("sandbox", rich_help_panel=_DEVELOP)(sandbox.sandbox)


def main() -> None:
    """Run the command line; the entry point of the console script."""
    app()
