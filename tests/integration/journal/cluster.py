"""A PostgreSQL cluster of one's own, to be stopped, killed and started."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/opt/postgresql*/bin")
_PATIENCE = 30.0


def programs() -> Path | None:
    """Return the folder of initdb and pg_ctl, or None."""
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else []
    folders += [folder for place in _PLACES for folder in sorted(Path("/").glob(place[1:]))]
    return next((f for f in reversed(folders) if (f / "initdb").exists()), None)


class Cluster:
    """One server on a spare port of the loopback interface."""

    def __init__(self, bin_folder: Path, folder: Path) -> None:
        self._bin = bin_folder
        self._folder = folder
        self._data = folder / "data"
        self._port = _spare_port()
        self._as = _unprivileged()
        if self._as:
            shutil.chown(folder, self._as["user"])
        self._run("initdb", "-D", self._data, "-U", "postgres", "-A", "trust", "--no-sync")
        self.start()

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://postgres@127.0.0.1:{self._port}/postgres"

    def start(self) -> None:
        options = f"-p {self._port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''"
        end = time.monotonic() + _PATIENCE
        while True:  # right after a kill, its children may still hold the shared memory
            started = self._control("start", "-l", self._folder / "log", "-o", options, check=False)
            if started == 0:
                return
            assert time.monotonic() < end, (self._folder / "log").read_text()[-2000:]
            time.sleep(0.1)

    def stop(self) -> None:
        """Stop at once, as a crash does."""
        self._control("stop", "-m", "immediate", check=False)

    def kill(self) -> None:
        """Kill the server itself; its children notice and go."""
        pid = int((self._data / "postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, signal.SIGKILL)

    def _control(self, *arguments: object, check: bool) -> int:
        return self._run("pg_ctl", "-D", self._data, "-w", *arguments, check=check)

    def _run(self, program: str, *arguments: object, check: bool = True) -> int:
        done = subprocess.run(
            [str(self._bin / program), *map(str, arguments)],
            check=check,
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **self._as,
        )
        return done.returncode


@contextmanager
def cluster(bin_folder: Path) -> Iterator[Cluster]:
    """Make a cluster in a folder that its user can enter, and remove it."""
    folder = Path(tempfile.mkdtemp(prefix="cluster-"))
    made = None
    try:
        made = Cluster(bin_folder, folder)
        yield made
    finally:
        if made is not None:
            made.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged() -> dict[str, Any]:
    """PostgreSQL does not run as root."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name for entry in pwd.getpwall()}
    user = "postgres" if "postgres" in names else "nobody"
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


def _spare_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
