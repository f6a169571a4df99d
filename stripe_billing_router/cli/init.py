"""`init`: a commented configuration to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..config.locations import FILE_NAMES, FOLDER
from ..config.template import (
    INSTRUCTIONS_PATH,
    TEMPLATE_PATH,
    WATCHDOG_PATH,
    instructions_template,
    template,
    watchdog_template,
)
from .files import write_new
from .ground import JsonOption
from .output import as_json

_GITIGNORE = "# What runs write stays out of git.\n*\n!.gitignore\n"

_NEXT = """
Next:
  1. Put your bots and the ids of their products, prices and customers into {config}.
  2. Look at the result: stripe-billing-router routes list
  3. Pin your account: stripe-billing-router vendor . --account acct_…
  4. Set STRIPE_SECRET_KEY, or VAULT_ADDR, where your bots run."""


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Your project's folder.")] = Path(),
    as_json_: JsonOption = False,
) -> None:
    """Write an example configuration. Overwrites nothing.

    Also makes the folders for what runs write.
    """
    config, done = _config(folder)
    texts = {
        folder / INSTRUCTIONS_PATH: instructions_template(),
        folder / WATCHDOG_PATH: watchdog_template(),
        **{folder / name / ".gitignore": _GITIGNORE for name in ("finance_logs", "training_data")},
    }
    done |= {path: write_new(path, text, 0o700) for path, text in texts.items()}
    if as_json_:
        as_json([{"path": str(path), "written": written} for path, written in done.items()])
        return
    for path, written in done.items():
        typer.echo(f"wrote {path}" if written else f"kept {path}, which is there already")
    typer.echo(_NEXT.format(config=config))


def _config(folder: Path) -> tuple[Path, dict[Path, bool]]:
    """Return the routing file, and whether it has just been written."""
    names = (folder / FOLDER / name for name in FILE_NAMES)
    there = next((path for path in names if path.exists()), None)
    if there is not None:
        return there, {there: False}
    path = folder / TEMPLATE_PATH
    return path, {path: write_new(path, template())}
