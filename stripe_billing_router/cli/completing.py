"""Bots on the command line, whose ids the shell completes as the routing file has them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..models import BotId
from .ground import routing_file


def bot_ids(ctx: Any, incomplete: str) -> list[str]:
    """Return the bots that begin so: none, if anything is wrong. Only the file is asked."""
    try:
        file = routing_file(_config(ctx))
        bots = {str(BotId(domain, group, name)) for domain, _, group, name in file.routes}
        return sorted(bot for bot in bots if bot.startswith(incomplete))
    except Exception:  # noqa: BLE001 - a shell that completes shows no errors
        return []


def _config(ctx: Any) -> Path | None:
    given = ctx.params.get("config")
    return None if given is None else Path(given)


BotOption = Annotated[
    str | None, typer.Option(metavar="BOT", help="Only this bot.", autocompletion=bot_ids)
]
BotArgument = Annotated[
    str, typer.Argument(metavar="BOT", help="category:name", autocompletion=bot_ids)
]
