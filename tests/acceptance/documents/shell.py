"""A terminal in which the commands of a document are run, one after the other."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from stripe_billing_router import BillingRouter
from stripe_billing_router.bootstrap import routing_file
from stripe_billing_router.cli import main as router_main
from stripe_billing_router.config.template import TEMPLATE_PATH
from stripe_billing_router.master_account import STRIPE_MASTER_ACCOUNT_ID
from stripe_billing_router.sandbox import SANDBOX_SECRET_KEY, World
from stripe_billing_router.sandbox.server import real_time_world, serving
from stripe_billing_router.stripe_watchdog import main as watchdog_main
from stripe_billing_router.testing import furnish_routes
from tests.acceptance.documents import commands
from tests.acceptance.documents.output import assert_shown
from tests.acceptance.documents.pages import Block

SHOWN_BASE = "http://127.0.0.1:12111"
OURS: Mapping[str, Callable[[], object]] = {
    "stripe-billing-router": router_main,
    "stripe-watchdog": watchdog_main,
}
_NOT_INSTALLED = 127
_PLACEHOLDER = re.compile(r"\b([a-z]+_)…")
_ID = re.compile(r"\b(op|disc|apr|evt|pi|ch|re|in|anom)_[A-Za-z0-9]{6,}")


@dataclass
class Ran:
    code: int
    printed: str


@dataclass
class Shell:
    """A folder, an environment, a served sandbox, and the ids that were printed so far.

    `service` gives the URL of a database for tests; `stands_for` says what is meant by what the
    documents show; `programs` stand in for some that are not on every machine.
    """

    folder: Path
    environment: dict[str, str]
    world: World
    api_base: str
    service: Callable[[str], str]
    programs: dict[str, Callable[[list[str]], None]] = field(default_factory=dict)
    stands_for: dict[str, str] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)

    def run(self, block: Block) -> None:
        """Run every command of a block; hold what it prints against what the block shows."""
        for command, shown in commands.commands(block):
            self._run_one(command, shown, f"{block}: {command}")

    def __call__(self, command: str) -> Ran:
        """Run one command and return what came of it."""
        ran = self._ran(self._filled_in(command))
        for found in _ID.finditer(ran.printed):
            self.ids[found[1] + "_"] = found[0]
        return ran

    def _run_one(self, command: str, shown: list[str], where: str) -> None:
        if commands.is_not_run(command):
            commands.check_what_is_not_run(command, where)
            return
        ran = self(command)
        assert ran.code == commands.exit_code(command), f"{where}\n{ran.printed}"
        if shown:
            assert_shown(shown, self._as_shown(ran.printed), where)

    def _as_shown(self, printed: str) -> str:
        for shown, meant in self.stands_for.items():
            if "…" not in shown:
                printed = printed.replace(meant, shown)
        return printed

    def with_ids(self, program: str) -> str:
        """Put the last id that was printed where a program says `"ch_…"`."""
        return re.sub(r'"([a-z]+_)…"', lambda found: f'"{self.ids[found[1]]}"', program)

    def _filled_in(self, command: str) -> str:
        """Put what is meant where a document says `op_…`: the last one that was printed."""
        for shown, meant in sorted(self.stands_for.items(), reverse=True):
            command = command.replace(shown, meant)
        command = _PLACEHOLDER.sub(lambda found: self.ids[found[1]], command)
        assert "…" not in command, f"nobody knows what … stands for in {command}"
        return command

    def _ran(self, command: str) -> Ran:
        if command.startswith(("export ", "unset ", "cd ")):
            return self._changed(command)
        command = commands.once(command)
        plain, _, target = command.partition(" > ")
        words = shlex.split(plain, comments=True)
        if words[:2] == ["stripe-billing-router", "sandbox"]:
            return Ran(0, self._served())
        if words[0] in self.programs:
            self.programs[words[0]](words)
            return Ran(0, "")
        if words[0] not in OURS or commands.needs_a_shell(plain):
            return self._ran_by_bash(command)
        ran = self._ran_here(words)
        if target:
            (self.folder / target).write_text(ran.printed)
        return Ran(ran.code, "") if target else ran

    def _served(self) -> str:
        """What the command `sandbox` prints; a sandbox is served already."""
        base, key = f"export STRIPE_API_BASE={self.api_base}", SANDBOX_SECRET_KEY
        return f"{base}\nexport STRIPE_SECRET_KEY={key}\n"

    def _changed(self, command: str) -> Ran:
        """Let bash say what the command makes of environment and folder."""
        done = self._bash(f"{command}\nenv -0; printf '\\nPWD=%s' \"$PWD\"")
        *pairs, last = done.stdout.split("\0")
        self.environment = dict(p.split("=", 1) for p in pairs if not p.startswith(("_=", "SHLVL")))
        self.folder = Path(last.partition("PWD=")[2])
        return Ran(done.returncode, done.stderr)

    def _ran_by_bash(self, command: str) -> Ran:
        done = self._bash(f"exec 2>&1\n{command}")
        if done.returncode == _NOT_INSTALLED and command.split()[0] in commands.FOREIGN:
            pytest.skip(f"not on this machine: {done.stdout.strip()}")
        return Ran(done.returncode, done.stdout)

    def _bash(self, script: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def _ran_here(self, words: list[str]) -> Ran:
        """Run a command of ours in this process: a fresh one takes a second to begin."""
        printed = io.StringIO()
        with (
            self.entered(),
            contextlib.redirect_stdout(printed),
            contextlib.redirect_stderr(printed),
            patch.object(sys, "argv", words),
        ):
            code = _exit_code(OURS[words[0]])
        return Ran(code, printed.getvalue())

    @contextlib.contextmanager
    def router(self, **given: Any) -> Iterator[BillingRouter]:
        """A bot's router in this terminal, whose waiting takes no time."""
        with self.entered(), BillingRouter(clock=self.world.clock, **given) as router:
            yield router

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Let this process be in the terminal's folder, with its environment."""
        with contextlib.chdir(self.folder), patch.dict(os.environ, self.environment, clear=True):
            yield


def _exit_code(main: Callable[[], object]) -> int:
    try:
        returned = main()
    except SystemExit as done:
        returned = done.code
    return returned if isinstance(returned, int) else int(returned is not None)


@contextlib.contextmanager
def a_shell(folder: Path, service: Callable[[str], str]) -> Iterator[Shell]:
    """Open a terminal in a folder as `init` leaves it, beside a sandbox that it does not know."""
    world = real_time_world()
    with serving(world) as server:
        shell = Shell(folder, _environment(folder), world, server.api_base, service)
        shell.stands_for = {
            SHOWN_BASE: server.api_base,
            "sk_live_…": SANDBOX_SECRET_KEY,
            "acct_…": STRIPE_MASTER_ACCOUNT_ID,
        }
        assert shell("stripe-billing-router init").code == 0
        file = routing_file(folder / TEMPLATE_PATH)
        furnish_routes(world, file.routes, file.overrides)
        yield shell


def _environment(folder: Path) -> dict[str, str]:
    return {
        "HOME": os.environ["HOME"],
        "XDG_CONFIG_HOME": os.environ["HOME"],
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PWD": str(folder),
    }
