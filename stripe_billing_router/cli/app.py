"""The entrance: which commands there are, and the library's errors as messages.

A command is imported when it runs or is completed; its name, panel and one sentence are told here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any, Final, NamedTuple

import typer.main
from typer.core import TyperCommand, TyperGroup

from ..bootstrap.domains import INSTALLED, domain, loaded
from ..errors import BillingError
from ..redaction import redact

# Typer has no name of its own for what every complaint about the command line is.
_USAGE_ERROR: Final[Any] = typer.BadParameter.__base__
_NAME: Final = "stripe-billing-router"
_SET_UP, _BILL, _OPERATE, _PROVE, _DEVELOP = _PANELS = (
    "Set up",
    "Bill",
    "Operate",
    "Prove",
    "Develop",
)


class _Command(NamedTuple):
    """`where` is the function, or the Typer application of a noun, as `module:attribute`."""

    panel: str
    name: str
    where: str
    help: str


_COMMANDS: Final = (
    _Command(_SET_UP, "init", "init:init", "Write an example configuration. Overwrites nothing."),
    _Command(
        _SET_UP, "vendor", "vendoring:vendor", "Copy this package into DIR, pinned to your account."
    ),
    _Command(
        _SET_UP, "pin-account", "pinning:pin_account", "Pin a vendored copy to your Stripe account."
    ),
    _Command(_SET_UP, "check", "check:check", "Say in order what is wrong, and how to mend it."),
    _Command(_SET_UP, "routes", "routes:app", "Look at the routing file."),
    _Command(
        _OPERATE, "status", "status:status", "Show freezes, open approvals and the use of budgets."
    ),
    _Command(_OPERATE, "freeze", "freezes:freeze", "Stop every bot that SCOPE matches."),
    _Command(
        _OPERATE,
        "unfreeze",
        "freezes:unfreeze",
        "End every freeze of this very SCOPE; wider ones go on.",
    ),
    _Command(_OPERATE, "approvals", "approvals:app", "Decide what bots may do."),
    _Command(_OPERATE, "operations", "operations:app", "Look at what bots have asked for."),
    _Command(_OPERATE, "webhooks", "webhooks:app", "Look at webhooks, and work on them."),
    _Command(
        _OPERATE, "events", "events:app", "See what happened to the bots' money, and hand it on."
    ),
    _Command(
        _OPERATE,
        "projections",
        "projections:app",
        "Keep what domains draw from events up to date, and check it.",
    ),
    _Command(_PROVE, "ledger", "ledger:app", "Look at the ledger and check it."),
    _Command(
        _PROVE, "discrepancies", "discrepancies:app", "Look at failed checks, and settle them."
    ),
    _Command(
        _DEVELOP,
        "check-usage",
        "check_usage:check_usage",
        "Find Stripe used outside the router, and raw keys.",
    ),
    _Command(
        _DEVELOP,
        "sandbox",
        "sandbox:sandbox",
        "Serve a Stripe stand-in on 127.0.0.1 until interrupted.",
    ),
)

_MOST_USED: Final = """
Most used:

`check` says what is wrong, and how to mend it.

`status` says who is frozen, what waits for people, and what is spent.

`ledger verify` proves that nothing in the ledger was changed.
"""


class _Commands(TyperGroup):
    """Lists its commands by panel, and shows an error of the library as its message alone, on
    stderr, with exit code 2."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {
            one.name: TyperCommand(one.name, help=one.help, rich_help_panel=one.panel)
            for one in _commands()
        }

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, _, rest = super().resolve_command(ctx, args)
        found = next((_loaded(one) for one in _commands() if one.name == name), None)
        return name, found, rest

    def make_context(self, *args: Any, **more: Any) -> Any:
        with _redacted():
            return super().make_context(*args, **more)

    def invoke(self, ctx: Any) -> Any:
        try:
            with _redacted():
                return super().invoke(ctx)
        except BillingError as error:
            message = str(error)
        colour = None if os.environ.get("NO_COLOR") else "red"
        typer.secho(message, fg=colour, err=True)
        raise typer.Exit(2)


@contextmanager
def _redacted() -> Iterator[None]:
    """Have a complaint about the command line repeat no key that was typed there."""
    try:
        yield
    except _USAGE_ERROR as error:
        error.message = redact(error.message)
        raise


def _commands() -> Iterator[_Command]:
    """Yield our commands by panel, and those of installed domains in theirs."""
    found = [*_COMMANDS]
    for name in INSTALLED:
        if (where := domain(name).commands) is not None:
            found.append(
                _Command(_BILL, name, where, typer.main.get_group(loaded(where)).help or "")
            )
    return iter(sorted(found, key=lambda one: _PANELS.index(one.panel)))


def _loaded(command: _Command) -> Any:
    """Import a command, and return it as it would be if all had been imported at the start."""
    where = command.where if command.name in INSTALLED else f".cli.{command.where}"
    found, parent = loaded(where), typer.Typer(rich_markup_mode="markdown")
    if isinstance(found, typer.Typer):
        parent.add_typer(found, name=command.name, rich_help_panel=command.panel)
    else:
        parent.command(command.name, rich_help_panel=command.panel)(found)
    parent.callback()(lambda: None)
    return typer.main.get_group(parent).commands[command.name]


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


def main() -> None:
    """Run the command line; the entry point of the console script."""
    app()
