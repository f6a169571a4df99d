"""`check`: the doctor; what is wrong, in order, and how to mend it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from textwrap import indent
from typing import Annotated, Final

import typer

from .completing import bot_ids
from .doctor import CHECKS, Diagnosis, Facts, examine, of_domains
from .doctor.words import counted
from .ground import ConfigOption, JsonOption
from .output import as_json, styled

_Bots = Annotated[
    list[str] | None,
    typer.Argument(metavar="BOT", help="Bots that need a route.", autocompletion=bot_ids),
]
_Offline = Annotated[
    bool, typer.Option("--offline", help="Ask neither Stripe nor Vault; only files and database.")
]
_COLOURS: Final = {"ok": "green", "problem": "red", "skipped": "yellow", "warning": "yellow"}


def check(
    bots: _Bots = None,
    offline: _Offline = False,
    config: ConfigOption = None,
    as_json_: JsonOption = False,
) -> None:
    """Say in order what is wrong, and how to mend it.

    Looks at settings, routing file, Vault, keys, account, database, journal, clocks, and the
    prices and customers that routes name. Changes nothing. Exit code 1 if there is a problem.
    """
    found = list(_shown(_examined(config, bots or [], offline), quietly=as_json_))
    results = Counter(one.result for one in found)
    problems, skipped = results["problem"], results["skipped"]
    if as_json_:
        found_as_json = [asdict(one) for one in found]
        as_json({"ok": not problems, "complete": not skipped, "checks": found_as_json})
    else:
        typer.echo(_summary(problems, skipped) + _warnings(results["warning"]), err=True)
    if problems:
        raise typer.Exit(1)


def _examined(config: Path | None, bots: list[str], offline: bool) -> Iterator[Diagnosis]:
    with closing(Facts(config, bots, offline)) as facts:
        yield from examine(facts, [*CHECKS, *of_domains()])


def _shown(found: Iterator[Diagnosis], *, quietly: bool) -> Iterator[Diagnosis]:
    """Yield what is found, and print it at once unless told not to."""
    for one in found:
        if not quietly:
            typer.echo(_line(one))
        yield one


def _line(found: Diagnosis) -> str:
    message = indent(found.message, " " * _BEFORE_MESSAGES).lstrip()
    return f"{styled(f'{found.result:9}', _COLOURS[found.result])}{found.check:17}{message}"


def _summary(problems: int, skipped: int) -> str:
    if problems:
        return f"{counted(problems, 'problem')}. Fix the first one first."
    if skipped:
        number = len(CHECKS) + len(of_domains())
        return f"No problem found, but {counted(skipped, 'check')} of {number} skipped."
    return "Everything that a bot needs is there."


def _warnings(number: int) -> str:
    return f" {counted(number, 'warning')}." if number else ""


_BEFORE_MESSAGES: Final = 26
