"""What holds for every command: help in one voice, JSON, colours on a terminal only."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import stripe

from stripe_billing_router import operators
from stripe_billing_router.config.template import template
from stripe_billing_router.errors import ApprovalRequiredError
from stripe_billing_router.sandbox import SANDBOX_SECRET_KEY
from stripe_billing_router.sandbox.server import real_time_world, serving
from stripe_billing_router.testing import sandbox_router
from tests.unit.cli.cli_helpers import entrances, listed, run

ALWAYS_JSON = {
    "ledger heads": "a file to keep, of JSON only",
    "ledger export": "a line of JSON for each entry",
}
"""Commands that have no --json because they print nothing else."""

BOT = "finance:finance_router_bot"
POLICIES = """
policies:
  rules:
    asks: {match: {bot_name: finance_router_bot}, approval_above: {usd: 100}}
"""
ESCAPE = "\x1b"
COLOUR = re.compile(r"\x1b\[(?:\d+;)*3\d(?:;\d+)*m")


def commands() -> Iterator[tuple[str, Any]]:
    """Every command with its full name."""

    for name, command in entrances().items():
        for inner, one in getattr(command, "commands", {"": command}).items():
            yield f"{name} {inner}".rstrip(), one


COMMANDS = dict(commands())


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """A project with something of everything; the ids by what they stand for in ARGUMENTS."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    (tmp_path / "config/stripe_billing_router.yaml").write_text(template() + POLICIES)
    (tmp_path / "bot.py").write_text("import stripe\n")
    with serving(real_time_world()) as server:
        monkeypatch.setenv("STRIPE_API_BASE", server.api_base)
        monkeypatch.setenv("STRIPE_SECRET_KEY", SANDBOX_SECRET_KEY)
        sandbox_router(server.world).close()  # puts what the routes name into the world
        yield _something_of_everything()


def _something_of_everything() -> dict[str, str]:
    from stripe_billing_router.client import BillingRouter
    from stripe_billing_router.default import use_router

    with BillingRouter(recover_at_start=False) as router, use_router(router):
        waiting = router.charge(BOT, 7, on_session=True)
        with pytest.raises(ApprovalRequiredError) as asked:
            router.charge(BOT, 200)
        with pytest.raises(ApprovalRequiredError) as other:
            router.charge(BOT, 201)
        operators.freeze("growth:*", "a look", by="somebody")
    return {
        "OPERATION": str(waiting.operation_id),
        "APPROVAL": str(asked.value.approval_id),
        "OTHER": str(other.value.approval_id),
    }


ARGUMENTS: dict[str, str] = {
    "init": "elsewhere",
    "vendor": "copied --account acct_1234567890",
    "pin-account": "acct_0123456789 --package copied/stripe_billing_router",
    "check-usage": "bot.py",
    "routes explain": BOT,
    "freeze": "finance:* --reason why --by me",
    "unfreeze": "finance:* --by me",
    "approvals approve": "APPROVAL --by me",
    "approvals reject": "OTHER --by me",
    "operations show": "OPERATION",
    "operations cancel": "OPERATION",
    "webhooks work": "--once",
    "projections work": "--once",
    "events history": BOT,
}
"""What a command is called with; without an entry, nothing. They run in the order of the tree."""

ELSEWHERE = {
    "operations confirm": "needs a bank transfer: tests of the manual provider",
    "sandbox": "serves until it is interrupted: test_the_sandbox_tells_its_address",
    "webhooks show": "needs an event: tests of the webhooks",
    "webhooks replay": "needs an event: tests of the webhooks",
    "events pump": "needs Redis: test_the_pump_reports",
    "projections compare": "needs an installed domain: tests of domains",
    "projections rebuild": "needs an installed domain: tests of domains",
    "discrepancies show": "needs one: tests of discrepancies",
    "discrepancies acknowledge": "needs one: tests of discrepancies",
    "discrepancies resolve": "needs one: tests of discrepancies",
}


def _calls(project: dict[str, str]) -> Iterator[tuple[str, list[str]]]:
    for name in COMMANDS:
        if name not in ELSEWHERE:
            given = ARGUMENTS.get(name, "").split()
            yield name, [*name.split(), *(project.get(word, word) for word in given)]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_json(name: str) -> None:
    options = [option for parameter in COMMANDS[name].params for option in parameter.opts]
    assert ("--json" in options) != (name in ALWAYS_JSON)


def test_what_is_printed_as_json_is_json(project: dict[str, str]) -> None:
    for name, arguments in _calls(project):
        ran = run(*arguments, *([] if name in ALWAYS_JSON else ["--json"]))
        assert ran.code in (0, 1), (name, ran.err)
        lines = name in ("ledger export", "webhooks work")
        for document in ran.out.splitlines() if lines else [ran.out]:
            json.loads(document)


def test_nothing_but_text_goes_into_a_pipe(project: dict[str, str]) -> None:
    for name, arguments in _calls(project):
        ran = run(*arguments)
        assert ran.code in (0, 1), (name, ran.err)
        helped = run(*name.split(), "--help")
        assert ESCAPE not in ran.out + ran.err + helped.out + helped.err, name
    refused = run("operations", "show", "op_nothing")
    assert (refused.code, ESCAPE in refused.err) == (2, False)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_begins_with_one_short_sentence(name: str) -> None:
    first, _, _ = str(COMMANDS[name].help).partition("\n\n")
    assert re.fullmatch(r"[A-Z][^\n]{5,62}\.", first), first


@pytest.mark.parametrize("name", entrances())
def test_what_the_list_says_of_a_command_is_what_its_own_help_begins_with(name: str) -> None:
    told, own = listed()[name], entrances()[name]
    assert told.help == " ".join(str(own.help).partition("\n\n")[0].split())
    assert (told.name, told.rich_help_panel) == (own.name, own.rich_help_panel)


def test_commands_are_imported_when_they_run() -> None:
    code = """
import sys
from stripe_billing_router.cli import main
sys.argv[0] = "stripe-billing-router"
try:
    main()
except SystemExit:
    print(*{name.split(".")[0] for name in sys.modules})
"""
    heavy = {"stripe", "sqlalchemy", "alembic", "yaml", "rich"}
    complete = {
        "_STRIPE_BILLING_ROUTER_COMPLETE": "complete_bash",
        "COMP_WORDS": "stripe-billing-router ",
        "COMP_CWORD": "1",
    }
    cases: list[tuple[list[str], dict[str, str], str]] = [
        (["--version"], {}, "."),
        ([], complete, "ledger"),
    ]
    for arguments, more, told in cases:
        command = [sys.executable, "-c", code, *arguments]
        ran = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **more})
        assert told in ran.stdout, ran.stderr
        assert heavy.isdisjoint(ran.stdout.split())


def test_the_help_has_its_panels_in_order() -> None:
    said = run("--help").out
    places = [said.index(f"─ {panel} ─") for panel in ("Set up", "Operate", "Prove", "Develop")]
    assert places == sorted(places)
    assert said.index("Most used") > places[-1]
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*\n", run("--version").out)


def test_an_asterisk_in_a_help_is_shown() -> None:
    assert "finance:*" in run("freeze", "--help").out


def _on_a_terminal(*arguments: str, **environ: str) -> str:
    """Run a command whose stdout and stderr are a terminal; return what it shows."""
    ours, theirs = pty.openpty()
    code = "from stripe_billing_router.cli import main; main()"
    settings = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", **environ}
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        env=settings,
    ) as running:
        os.close(theirs)
        shown = b"".join(iter(lambda: _read(ours), b""))
        running.wait(60)
    os.close(ours)
    return shown.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # the other side has gone
        return b""


@pytest.mark.parametrize(
    "arguments", [("check", "--offline"), ("operations", "show", "op_none"), ("--help",)]
)
def test_colours_are_for_terminals_that_want_them(
    project: dict[str, str], arguments: tuple[str, ...]
) -> None:
    assert COLOUR.search(_on_a_terminal(*arguments))
    assert not COLOUR.search(_on_a_terminal(*arguments, NO_COLOR="1"))


def test_the_sandbox_tells_its_address(project: dict[str, str]) -> None:
    with _served() as told:
        assert told["STRIPE_API_BASE"].startswith("http://127.0.0.1:")


def test_a_sandbox_that_is_started_again_makes_other_ids(project: dict[str, str]) -> None:
    """A ledger that was kept would take a new payment for one of yesterday's."""
    made = []
    for _ in range(2):
        with _served() as told:
            client = stripe.StripeClient(
                told["STRIPE_SECRET_KEY"], base_addresses={"api": told["STRIPE_API_BASE"]}
            )
            made.append(client.v1.customers.create().id)
    assert made[0] != made[1]


@contextmanager
def _served() -> Iterator[dict[str, str]]:
    code = "from stripe_billing_router.cli import main; main()"
    command = [sys.executable, "-c", code, "sandbox", "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        ready, _, _ = select.select([running.stdout], [], [], 60)
        try:
            yield json.loads(running.stdout.readline()) if ready else {}
        finally:
            running.send_signal(signal.SIGINT)
            running.communicate(timeout=60)


def test_the_pump_reports(project: dict[str, str], redis_url: str, tmp_path: Path) -> None:
    stream = f"test:{tmp_path.name}:{os.getpid()}"
    ran = run("events", "pump", "--redis", redis_url, "--stream", stream, "--once", "--json")
    assert json.loads(ran.out)["failed"] == []
    import redis

    with redis.Redis.from_url(redis_url) as client:
        client.delete(stream)


def _completed(monkeypatch: pytest.MonkeyPatch, words: str) -> list[str]:
    parts = words.split(" ")
    monkeypatch.setenv("_STRIPE_BILLING_ROUTER_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(parts) - 1))
    ran = run()
    return ran.out.split()


def test_bots_are_completed_from_the_file(
    project: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    program = "stripe-billing-router"
    assert _completed(monkeypatch, f"{program} routes explain fin") == [BOT]
    assert _completed(monkeypatch, f"{program} ledger list --bot ") != []
    assert _completed(monkeypatch, f"{program} check zzz") == []
    Path("config/stripe_billing_router.yaml").write_text("garbage: [")
    assert _completed(monkeypatch, f"{program} routes explain fin") == []


@pytest.mark.parametrize(
    "typed",
    [
        "{}",
        "x{}",
        "--{}",
        "check --{}",
        "routes {}",
        "routes list --{}=3",
    ],
)
def test_a_key_that_was_typed_in_the_wrong_place_is_not_repeated(typed: str) -> None:
    ran = run(*typed.format("sk_live_sandboxTyped42Typed42").split())
    assert ran.code == 2
    assert "Typed42" not in ran.err + ran.out
    assert "[redacted]" in ran.err
