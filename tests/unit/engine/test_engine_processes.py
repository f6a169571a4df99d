"""Who is provably dead: only a process that was on this boot of this host and is no more."""

from __future__ import annotations

import subprocess
import sys
from errno import EACCES, EMFILE, ENOENT
from pathlib import Path
from typing import Any

import pytest

from stripe_billing_router.engine import leases


def here() -> str:
    return leases.me().rsplit(":", 2)[0]


def test_this_process_is_not_dead() -> None:
    assert leases.me()
    assert not leases.provably_dead(leases.me())


def test_a_process_that_has_ended_is_dead() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert leases.provably_dead(f"{here()}:{gone.pid}:12345")


def test_another_process_under_the_same_number_does_not_make_the_old_one_live() -> None:
    assert leases.provably_dead(f"{leases.me()[:-1]}x")


@pytest.mark.skipif(sys.platform != "linux", reason="the names are Linux's")
def test_a_name_that_somebody_else_holds_does_not_make_the_call_of_a_dead_process_live() -> None:
    """Any user of the host may hold it: an equal call is not let through for that."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    squat = "import socket, sys; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
    squat += f"s.bind({leases._name('op_squatted')!r}); print(flush=True); sys.stdin.read()"
    program = [sys.executable, "-c", squat]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert leases.runs("op_squatted")
        assert leases.provably_alive(leases.me(), "op_squatted")
        assert not leases.provably_alive(f"{here()}:{gone.pid}:12345", "op_squatted")
        other.communicate()


@pytest.mark.parametrize("owner", [None, "", "x", "other-boot:1:2:3", "::::", ":1:2"])
def test_nothing_is_proven_about_a_process_of_another_host(owner: str | None) -> None:
    assert not leases.provably_dead(owner)


@pytest.mark.parametrize("tail", ["", ":", ":x:1", ":-1:1", "::1", ":1", ":1:"])
def test_nothing_is_proven_by_a_malformed_owner(tail: str) -> None:
    assert not leases.provably_dead(f"{here()}{tail}")


@pytest.mark.parametrize("number", [EMFILE, EACCES, ENOENT])
def test_a_process_that_cannot_be_looked_at_is_not_dead(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """No file descriptor left, or a host whose /proc hides other users' processes."""
    owner = leases.me()

    def refuse(self: Path, *_: Any, **__: Any) -> str:
        raise OSError(number, "cannot be read")

    monkeypatch.setattr(Path, "read_text", refuse)
    assert not leases.provably_dead(owner)
