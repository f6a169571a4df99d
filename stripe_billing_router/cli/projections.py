"""`projections`: what installed domains draw from events, kept up to date, and checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ..client import BillingRouter
from ..errors import BillingError
from ..ports import CommitAmbiguous
from ..store import Difference, Projections
from .events import until_stopped
from .ground import ConfigOption, JsonOption, the_store
from .output import as_json

app = typer.Typer(
    help="Keep what domains draw from events up to date, and check it.", no_args_is_help=True
)

_Name = Annotated[
    str, typer.Argument(metavar="NAME", help="A projection, such as projection:credits.balances.")
]
_Once = Annotated[bool, typer.Option("--once", help="Apply what is due, and stop.")]

_POLL = 0.5


@contextmanager
def _projections(config: Path | None) -> Iterator[Callable[[], Projections]]:
    """With the keys: what a payment is worth is believed only under a seal."""
    path = None if config is None else config.absolute()
    with BillingRouter(path, recover_at_start=False) as router:
        yield lambda: router.store.projections


@app.command("work")
def work(once: _Once = False, config: ConfigOption = None, as_json_: JsonOption = False) -> None:
    """Apply events that were written elsewhere, until interrupted.

    Several may run at once.
    """
    with _projections(config) as projections:
        if once:
            report = projections().catch_up()
            if as_json_:
                as_json(asdict(report))
            else:
                typer.echo(f"{report.applied} events were applied.")
            if report.failed:
                raise typer.Exit(1)
            return
        with until_stopped() as stop:
            while not stop.wait(_POLL):
                try:
                    projections().catch_up()
                except (BillingError, CommitAmbiguous) as error:
                    typer.echo(f"projections wait for the ledger's database: {error}", err=True)


@app.command("list")
def list_them(config: ConfigOption = None, as_json_: JsonOption = False) -> None:
    """Show the projections of installed domains."""
    with the_store(config) as store:
        names = list(store.projections.names)
    if as_json_:
        as_json(names)
    else:
        typer.echo("\n".join(names) or "No domain that is installed has any.")


@app.command("compare")
def compare(name: _Name, config: ConfigOption = None, as_json_: JsonOption = False) -> None:
    """Replay a projection's events and show which rows differ.

    Changes nothing, and nothing is applied meanwhile. Exit code 1 if a row differs.
    """
    with _projections(config) as projections:
        found = projections().compare(name)
    _show(found, as_json_, "The tables are what their events say.")
    if found:
        raise typer.Exit(1)


@app.command("rebuild")
def rebuild(name: _Name, config: ConfigOption = None, as_json_: JsonOption = False) -> None:
    """Fill a projection's tables anew from its events.

    They are emptied and filled in one transaction."""
    with _projections(config) as projections:
        found = projections().rebuild(name)
    _show(found, as_json_, "The tables were what their events say.")


def _show(found: list[Difference], as_json_: bool, none: str) -> None:
    if as_json_:
        as_json([asdict(one) for one in found])
        return
    for one in found:
        typer.echo(f"{one.table}: {one.live} is there, {one.rebuilt} by its events")
    if not found:
        typer.echo(none)
