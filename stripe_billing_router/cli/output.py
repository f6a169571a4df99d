"""What goes to stdout: JSON for programs, colours for a terminal, plain columns for the rest."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text


def as_json(data: Any) -> None:
    """Print JSON-like `data`, indented."""
    typer.echo(json.dumps(data, indent=2))


def as_json_line(data: Any) -> None:
    """Print JSON-like `data` on one line: for commands that go on."""
    typer.echo(json.dumps(data))


def styled(text: str, colour: str) -> str:
    """Return `text` in a colour, which is left out where it is not shown on a terminal."""
    return text if os.environ.get("NO_COLOR") else typer.style(text, fg=colour)


def as_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; where stdout is no terminal, tab-separated and never shortened."""
    if sys.stdout.isatty():
        _coloured(headings, rows)
        return
    for row in [headings, *rows]:
        typer.echo("\t".join(row))


def _coloured(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


@contextmanager
def counting(what: str) -> Iterator[Callable[[int], None]]:
    """Show how many `what` are done while a command works; only where stderr is a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda done: None  # noqa: ARG005 - nobody is watching
        return
    with console.status(f"0 {what}") as status:
        yield lambda done: status.update(f"{done:,} {what}")
