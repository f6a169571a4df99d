"""How the command-line tests run a command."""

from __future__ import annotations

from typing import Any, NamedTuple

import typer.main
from typer.testing import CliRunner

from stripe_billing_router.cli.app import app


class Ran(NamedTuple):
    code: int
    out: str
    err: str


def run(*arguments: object) -> Ran:
    """Run a command in this process; what it raises beyond its own exit is raised here."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ran(result.exit_code, result.stdout, result.stderr)


def refused(*arguments: object) -> str:
    """Run a command that has to fail with a message alone; return the message."""
    ran = run(*arguments)
    assert ran.code == 2
    assert ran.out == ""
    assert "Traceback" not in ran.err
    assert ran.err.endswith(".\n")
    return ran.err


def listed() -> dict[str, Any]:
    """The commands as the entrance lists them, by name."""
    return dict(typer.main.get_group(app).commands)


def entrances() -> dict[str, Any]:
    """The commands as they are once they run, by name."""
    group = typer.main.get_group(app)
    context = typer.Context(group)
    return {name: group.resolve_command(context, [name])[1] for name in group.commands}
