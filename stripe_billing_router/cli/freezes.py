"""`freeze` and `unfreeze`: stopping bots, in every process, from their next call on."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from ..models import Freeze
from .desk import ByOption, the_desk
from .ground import ConfigOption, JsonOption, when
from .output import as_json

_Scope = Annotated[
    str,
    typer.Argument(
        metavar="SCOPE", help="A bot id; `*` for any part of it (`finance:*`), or for everything."
    ),
]
_Reason = Annotated[str, typer.Option(metavar="TEXT", help="Why; bots are told.")]


def freeze(
    scope: _Scope,
    reason: _Reason,
    by: ByOption,
    config: ConfigOption = None,
    as_json_: JsonOption = False,
) -> None:
    """Stop every bot that SCOPE matches.

    That is calls, retries and what recovery would complete.
    """
    with the_desk(config) as desk:
        frozen = desk.freeze(scope, reason, by)
    if as_json_:
        as_json(described(frozen))
        return
    typer.echo(f"{frozen.scope} is frozen. Payments that wait can still be cancelled.")


def unfreeze(
    scope: _Scope, by: ByOption, config: ConfigOption = None, as_json_: JsonOption = False
) -> None:
    """End every freeze of this very SCOPE; wider ones go on."""
    with the_desk(config) as desk:
        desk.unfreeze(scope, by)
    if as_json_:
        as_json({"ok": True})
        return
    typer.echo("Unfrozen. `stripe-billing-router status` shows what else is.")


def described(freeze: Freeze) -> dict[str, Any]:
    """Return a freeze in JSON types, its time as people read it."""
    return {**asdict(freeze), "frozen": when(freeze.frozen_ms)}
