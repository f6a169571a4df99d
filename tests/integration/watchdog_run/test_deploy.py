"""The cron line and the systemd units, as they are shipped."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import stripe_billing_router
from stripe_billing_router.cli.pinning import pin
from stripe_billing_router.stripe_watchdog.options import parse
from tests.integration.watchdog_run.conftest import Project

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
PACKAGE = Path(stripe_billing_router.__file__).parent


def installed(project: Project) -> str:
    """The crontab's command, as it is when /srv/bots is the project's folder."""
    settings = [f"{name}='{value}'" for name, value in project.environment.items()]
    project.file("watchdog.env").write_text("\n".join(settings))
    (line,) = [
        line
        for line in (DEPLOY / "stripe-watchdog.cron").read_text().splitlines()
        if re.match(r"[0-9*]", line)
    ]
    assert line.split()[5] == USER
    return moved(line.split(maxsplit=6)[6], project)


def moved(command: str, project: Project) -> str:
    return (
        command.replace("/srv/bots/.venv/bin/python", sys.executable)
        .replace("/etc/stripe-watchdog.env", str(project.file("watchdog.env")))
        .replace("/srv/bots", str(project.folder))
    )


USER = "bots"
PINNED = "acct_1234567890abcdef"


def vendored(project: Project) -> None:
    """The copy that going live makes, in the project's folder."""
    copy = project.folder / PACKAGE.name
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    pin(copy, PINNED)


def cron(command: str) -> str:
    """What cron would mail: it starts /bin/sh, in its own folder, with nearly nothing set."""
    done = subprocess.run(
        ["env", "-i", "SHELL=/bin/sh", "PATH=/usr/bin:/bin", "/bin/sh", "-c", command],
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout


def test_the_cron_line_has_no_percent_sign() -> None:
    """Cron would take it for the end of the line."""
    text = (DEPLOY / "stripe-watchdog.cron").read_text()
    assert not [line for line in text.splitlines() if "%" in line and not line.startswith("#")]


def test_the_cron_line_runs_and_mails_only_what_matters(project: Project) -> None:
    project.charge()
    command = installed(project)
    assert cron(command) == ""
    first = project.marker()
    assert first is not None
    charge = project.bypass()
    assert charge in cron(command)
    assert (project.marker() or 0) >= first


def test_cron_mails_why_a_run_could_not_be_made(project: Project) -> None:
    project.file("config/stripe_watchdog.yaml").write_text("unknown: 1")
    assert "'unknown' is unknown" in cron(installed(project))
    assert project.marker() is None


def test_cron_runs_the_copy_that_is_pinned(project: Project) -> None:
    vendored(project)
    assert PINNED in cron(installed(project))


def test_systemd_runs_the_copy_that_is_pinned(project: Project) -> None:
    vendored(project)
    service = unit("stripe-watchdog.service")["Service"]
    done = subprocess.run(
        moved(service["ExecStart"], project).split(),
        cwd=moved(service["WorkingDirectory"], project),
        env=dict(project.environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert PINNED in done.stderr + done.stdout


def test_all_of_it_runs_as_the_user_who_owns_the_files() -> None:
    """Cron reads the file of settings as its user; root alone would do for systemd only."""
    assert unit("stripe-watchdog.service")["Service"]["User"] == USER
    for page in ("docs/watchdog.md", "docs/operations/going-live.md"):
        text = (ROOT / page).read_text()
        installs = f"install -m 600 -o {USER} deploy/stripe-watchdog.env /etc/stripe-watchdog.env"
        assert installs in text, page


def unit(name: str) -> configparser.ConfigParser:
    found = configparser.ConfigParser(strict=False, interpolation=None)
    found.optionxform = str  # type: ignore[assignment, method-assign]
    found.read(DEPLOY / name)
    return found


def test_the_service_starts_options_that_exist_and_may_write_what_a_run_writes() -> None:
    service = unit("stripe-watchdog.service")["Service"]
    program, _, module, *arguments = service["ExecStart"].split()
    assert (program, module) == ("/srv/bots/.venv/bin/python", f"{PACKAGE.name}.stripe_watchdog")
    report = parse(arguments).report
    assert report is not None
    assert parse(arguments).export_training
    assert "--export-training" in (DEPLOY / "stripe-watchdog.cron").read_text()
    home = service["WorkingDirectory"]
    writable = service["ReadWritePaths"].split()
    assert writable == [f"{home}/finance_logs", f"{home}/training_data"]
    assert str(report).startswith(writable[0])
    assert service["EnvironmentFile"] == "/etc/stripe-watchdog.env"
    assert f"STRIPE_ROUTER_HOME={home}" in (DEPLOY / "stripe-watchdog.env").read_text()


def test_the_timer_starts_the_service() -> None:
    timer = unit("stripe-watchdog.timer")
    assert timer["Timer"]["OnCalendar"] == "hourly"
    assert timer["Install"]["WantedBy"] == "timers.target"
    assert (DEPLOY / "stripe-watchdog.timer").stem == (DEPLOY / "stripe-watchdog.service").stem


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("name", ["stripe-watchdog.service", "stripe-watchdog.timer"])
def test_systemd_understands_the_units(name: str) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(DEPLOY / name)],
        capture_output=True,
        text=True,
        check=False,
    )
    complaints = [line for line in done.stderr.splitlines() if "stripe-watchdog." in line]
    assert [line for line in complaints if "is not executable" not in line] == []
