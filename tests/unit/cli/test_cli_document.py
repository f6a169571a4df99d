"""docs/cli.md says what the command line is: its tables are made from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stripe_billing_router.cli.doctor import CHECKS
from tests.unit.cli.cli_helpers import entrances

DOCUMENT = Path(__file__).parents[3] / "docs/cli.md"
SHARED = {"--config", "--json", "--help"}


def tables() -> dict[str, list[str]]:
    """The rows of the document's tables, by the heading above them."""
    found: dict[str, list[str]] = {
        "Checks": [f"| `{c.name}` | {_first(c.examine)} |" for c in CHECKS]
    }
    for name, command in entrances().items():
        found.setdefault(command.rich_help_panel, []).extend(_rows(name, command))
    return found


def _rows(name: str, command: Any) -> Iterator[str]:
    if not hasattr(command, "commands"):
        yield f"| {_usage(name, command)} | {_options(command)} | {_first(command)} |"
        return
    for inner, one in command.commands.items():
        yield from _rows(f"{name} {inner}", one)


def _usage(name: str, command: Any) -> str:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    words = [f"{p.metavar}…" if p.nargs == -1 else str(p.metavar) for p in arguments]
    shown = [word if p.required else f"[{word}]" for p, word in zip(arguments, words, strict=True)]
    return f"`{' '.join([name, *shown])}`"


def _options(command: Any) -> str:
    options = [p for p in command.params if p.param_type_name == "option"]
    names = [(p.opts[0], p.required) for p in options if not SHARED & set(p.opts)]
    return ", ".join(f"`{name}`" + (" (needed)" if needed else "") for name, needed in names)


def _first(told: Any) -> str:
    text = getattr(told, "help", None) or told.__doc__
    return " ".join(text.partition("\n\n")[0].split())


def test_the_document_has_every_command_and_check_as_they_are() -> None:
    sections = DOCUMENT.read_text().split("\n## ")
    for heading, rows in tables().items():
        (section,) = [text for text in sections if text.startswith(f"{heading}\n")]
        told = [line for line in section.splitlines() if line.startswith("| `")]
        assert told == rows
