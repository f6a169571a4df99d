"""`init`: a commented configuration to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..config.locations import FILE_NAMES, FOLDER
from ..config.template import TEMPLATE_PATH, template
from .files import write_new

_GITIGNORE = "# What runs write stays out of git.\n*\n!.gitignore\n"

_NEXT = """
Next:
  1. Put your bots and the ids of their products, prices and customers into {config}.
  2. Look at the result: stripe-billing-router routes list
  3. Pin your account: stripe-billing-router vendor . --account acct_…
  4. Set STRIPE_SECRET_KEY, or VAULT_ADDR, where your bots run."""


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Your project's folder.")] = Path(),
) -> None:
    """Write an example config/ and a finance_logs/ for the ledger. Overwrites nothing."""
    config = folder / TEMPLATE_PATH
    there = [folder / FOLDER / name for name in FILE_NAMES if (folder / FOLDER / name).exists()]
    if there:
        config = there[0]
        _say(config, written=False)
    else:
        _say(config, written=write_new(config, template()))
    ignored = folder / "finance_logs" / ".gitignore"
    _say(ignored, written=write_new(ignored, _GITIGNORE))
    typer.echo(_NEXT.format(config=config))


def _say(path: Path, *, written: bool) -> None:
    typer.echo(f"wrote {path}" if written else f"kept {path}, which is there already")
