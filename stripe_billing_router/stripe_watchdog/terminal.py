"""What a person sees who runs the watchdog in a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from .describing import level
from .findings import Finding
from .inspection import Progress
from .moments import iso
from .plain import amount_of, heading, notes, printable
from .tally import Result, Shown

_MOST = 50


@contextmanager
def progress() -> Iterator[Callable[[Progress], None]]:
    """Show how far a run is, while it works; only where stderr is a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    with console.status("Starting") as status:
        yield lambda found: status.update(f"{found.stage}: {found.done:,}")


def show(result: Result, console: Console | None = None) -> None:
    """Print a readable summary: the most severe findings first, at most fifty."""
    console = console or Console()
    style = "bold green" if not result.total else "bold red"
    console.print(Text(heading(result), style=style))
    if result.findings:
        console.print(_counts(result))
    for shown in result.findings[:_MOST]:
        _one(shown, console)
    if len(result.findings) > _MOST:
        console.print(Text(f"{len(result.findings) - _MOST:,} more: see --json or --report."))
    if result.total:
        console.print(Rule(style="dim"))
    for note in notes(result):
        console.print(Text(printable(note), style="dim"))


def _counts(result: Result) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("check")
    table.add_column("findings", justify="right")
    for check, number in sorted(result.counts.items(), key=lambda item: (-item[1], item[0])):
        table.add_row(Text(check), f"{number:,}")
    return table


def _one(shown: Shown, console: Console) -> None:
    finding = shown.finding
    title = Text()
    title.append(f"{finding.severity:.1f} {level(finding.severity)}  ", style=_style(finding))
    title.append(finding.check, style="bold")
    title.append(printable(f"  {finding.subject}"))
    title.append("" if shown.is_new else "  (told before)", style="dim")
    console.print(Rule(style="dim"))
    console.print(title)
    facts = [finding.bot_id, amount_of(finding), None if finding.at_ms is None else _when(finding)]
    if line := "  ".join(fact for fact in facts if fact):
        console.print(Text(printable(line), style="cyan"))
    console.print(Text(printable(finding.message)))


def _when(finding: Finding) -> str:
    return iso(finding.at_ms or 0)[:19].replace("T", " ") + "Z"


def _style(finding: Finding) -> str:
    styles = {"critical": "bold red", "warning": "yellow", "info": "blue"}
    return styles[level(finding.severity)]
