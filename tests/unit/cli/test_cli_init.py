"""`init` gives a project what it needs to begin, and takes nothing away."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stripe_billing_router.cli.files import write_new
from stripe_billing_router.config.template import (
    INSTRUCTIONS_PATH,
    instructions_template,
    template,
    watchdog_template,
)
from tests.unit.cli.cli_helpers import refused, run


def test_init_writes_an_example_that_works_and_says_what_is_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = run("init", tmp_path / "new")
    assert ran.code == 0
    assert (tmp_path / "new/config/stripe_billing_router.yaml").read_text() == template()
    assert (tmp_path / "new/config/stripe_watchdog.yaml").read_text() == watchdog_template()
    for kept in ("finance_logs", "training_data"):
        assert (tmp_path / "new" / kept).stat().st_mode & 0o777 == 0o700
    for hint in ("routes list", "vendor . --account", "STRIPE_SECRET_KEY"):
        assert hint in ran.out
    monkeypatch.chdir(tmp_path / "new")
    assert "finance:finance_router_bot" in run("routes", "list").out


def test_init_keeps_runs_out_of_git(tmp_path: Path) -> None:
    run("init", tmp_path)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    (tmp_path / "finance_logs/stripe_ledger.db").touch()
    (tmp_path / "training_data/stripe_anomalies.jsonl").touch()
    found = subprocess.run(
        ["git", "status", "--porcelain", "-uall"], cwd=tmp_path, check=True, capture_output=True
    )
    assert b"finance_logs/.gitignore" in found.stdout
    assert b"stripe_ledger.db" not in found.stdout
    assert b"stripe_anomalies.jsonl" not in found.stdout


@pytest.mark.parametrize("suffix", ["yaml", "yml", "json"])
def test_init_overwrites_nothing(tmp_path: Path, suffix: str) -> None:
    mine = tmp_path / f"config/stripe_billing_router.{suffix}"
    mine.parent.mkdir()
    mine.write_text("mine: {}")
    (tmp_path / "finance_logs").mkdir()
    (tmp_path / "finance_logs/.gitignore").write_text("mine")
    ran = run("init", tmp_path)
    assert ran.code == 0
    assert ran.out.count("which is there already") == 2
    assert mine.read_text() == "mine: {}"
    assert (tmp_path / "finance_logs/.gitignore").read_text() == "mine"
    found = {path.name for path in mine.parent.iterdir()}
    assert found == {mine.name, "billing_instructions.yaml", "stripe_watchdog.yaml"}


def test_init_keeps_the_billing_instructions_that_are_there(tmp_path: Path) -> None:
    run("init", tmp_path)
    instructions = tmp_path / INSTRUCTIONS_PATH
    assert instructions.read_text() == instructions_template()
    instructions.write_text("events: {}")
    run("init", tmp_path)
    assert instructions.read_text() == "events: {}"


def test_init_in_a_place_that_is_no_folder_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "failed: Not a directory" in refused("init", tmp_path / "file")


def test_a_file_that_cannot_be_finished_is_not_left_behind(tmp_path: Path) -> None:
    """The next `init` would keep it, as if somebody had written it."""
    with pytest.raises(UnicodeEncodeError):
        write_new(tmp_path / "half", "text that ends in no character: \ud800")
    assert list(tmp_path.iterdir()) == []


def test_without_a_command_the_commands_are_shown() -> None:
    shown = run().out + run().err
    assert all(name in shown for name in ("init", "vendor", "pin-account", "routes"))


def test_the_installed_script_runs_in_a_process_of_its_own(tmp_path: Path) -> None:
    """From the console script to stderr and the exit code, with warnings as errors."""
    script = Path(sys.executable).with_name("stripe-billing-router")
    environ = {"PATH": os.environ["PATH"], "PYTHONWARNINGS": "error", "HOME": str(tmp_path)}

    def script_run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(script), *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60
        )

    failed = script_run("routes", "list")
    assert (failed.returncode, failed.stdout) == (2, "")
    assert failed.stderr.startswith("There is no config/stripe_billing_router.yaml in")
    assert "Traceback" not in failed.stderr
    assert script_run("init").returncode == 0
    listed = script_run("routes", "list")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "\x1b" not in listed.stdout
    assert "finance:finance_router_bot\tdefault\tprod_finance_router" in listed.stdout
