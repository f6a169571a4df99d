"""`check`: what would stop a bot, all at once, before one is started."""

from __future__ import annotations

from typing import Annotated

import typer

from ..client import BillingRouter
from ..errors import ConfigurationError
from .ground import ConfigOption, JsonOption
from .output import as_json


def check(
    bots: Annotated[
        list[str] | None, typer.Argument(metavar="[BOT]…", help="Bots to route.")
    ] = None,
    config: ConfigOption = None,
    as_json_: JsonOption = False,
) -> None:
    """Check settings, routing file, keys, account, ledger and bots; exit code 2 on a fault."""
    faults: tuple[tuple[str, str], ...] = ()
    try:
        with BillingRouter(None if config is None else config.absolute()) as router:
            router.verify_router(bots or ())
    except ConfigurationError as error:
        if not as_json_:
            raise
        faults = error.faults or (("", str(error)),)
    if as_json_:
        as_json({"ok": not faults, "faults": [list(fault) for fault in faults]})
    else:
        typer.echo("Everything that a bot needs is there.")
    if faults:
        raise typer.Exit(2)
