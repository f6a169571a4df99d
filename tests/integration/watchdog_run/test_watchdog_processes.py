"""The command as cron and people start it: in a process of its own."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from stripe_billing_router.sandbox import Fault
from tests.integration.watchdog_run.conftest import Project

CRON = (sys.executable, "-m", "stripe_billing_router.stripe_watchdog")


def started_by_cron(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    """As a crontab does: through /bin/sh, in another folder, with nothing but what it sets."""
    settings = [f"{name}={value}" for name, value in project.environment.items()]
    command = ["env", "-i", *settings, *CRON, *arguments]
    return subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=60, check=False)


def test_it_runs_in_the_empty_environment_of_cron(project: Project) -> None:
    project.charge()
    clean = started_by_cron(project)
    assert (clean.returncode, clean.stderr) == (0, "")
    charge = project.bypass()
    found = started_by_cron(project, "--json")
    assert found.returncode == 1
    assert [one["subject"] for one in json.loads(found.stdout)["findings"]] == [charge]


@pytest.mark.parametrize("killed_at", ["/v1/refunds", "/v1/webhook_*"])
def test_a_process_killed_while_it_reads_is_made_good_by_the_next(
    project: Project, killed_at: str
) -> None:
    charge = project.bypass()
    process = subprocess.Popen(
        CRON, cwd="/", env=dict(project.environment), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    project.world.faults.add(Fault("call", match=f"GET {killed_at}", call=process.kill))
    process.communicate(timeout=60)
    assert process.returncode == -9
    assert project.marker() is None
    found = started_by_cron(project, "--json")
    assert [one["subject"] for one in json.loads(found.stdout)["findings"]] == [charge]
    audited = [line for line in project.audit() if line["event"] == "finding"]
    assert [line["finding"]["subject"] for line in audited] == [charge]
    assert project.marker() is not None


def test_a_terminal_gets_a_summary_in_colours(project: Project) -> None:
    charge = project.bypass()
    ours, theirs = pty.openpty()
    settings = {**project.environment, "TERM": "xterm-256color", "COLUMNS": "100"}
    process = subprocess.Popen(CRON, cwd="/", env=settings, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b"".join(iter(lambda: read_terminal(ours), b"")).decode()
    os.close(ours)
    assert process.wait(60) == 1
    assert "1 finding, 1 of them new" in shown
    assert "3.5 warning" in shown
    assert charge in shown
    assert "\x1b[" in shown


def read_terminal(descriptor: int) -> bytes:
    """The end of a terminal is an error on Linux."""
    try:
        return os.read(descriptor, 4096)
    except OSError:
        return b""


def test_without_a_configuration_it_says_what_to_do(tmp_path: Path) -> None:
    done = subprocess.run(
        CRON,
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "stripe-billing-router init" in done.stderr
