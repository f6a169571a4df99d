"""What somebody does on the first day, with nothing but the installed package and the README.

Run as a script it needs no test library: `python newcomer.py README.md`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BIN = Path(sys.executable).parent  # not resolved: it is the environment's
CHARGE = """
from stripe_billing_router import charge, verify_router
verify_router(["finance:finance_router_bot"])
print(charge("finance:finance_router_bot", "19.99", idempotency_key="first-day"))
"""


def first_day(folder: Path, readme: Path) -> str:
    """Set up a project in the empty `folder`; return what was printed. A failure raises."""
    (folder / "home").mkdir()
    found = re.search(r"```python\n(.*?)```", readme.read_text(), re.DOTALL)
    assert found
    said = [_run(folder, "stripe-billing-router", "init"), _run(folder, "python", "-c", found[1])]
    with _served(folder) as sandbox:
        said += [_run(folder, "python", "-c", CHARGE, **sandbox) for _ in range(2)]
        said.append(_run(folder, "stripe-billing-router", "ledger", "verify", **sandbox))
    return "".join([*said, _run(folder, "stripe-watchdog", "--help")])


@contextmanager
def _served(folder: Path) -> Iterator[dict[str, str]]:
    """Serve a sandbox; yields the variables that lead to it."""
    command = [str(BIN / "stripe-billing-router"), "sandbox", "--port", "0"]
    with subprocess.Popen(
        command, cwd=folder, env=_environment(folder), stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout
        lines = [server.stdout.readline().removeprefix("export ").strip() for _ in range(2)]
        try:
            yield dict(line.split("=", 1) for line in lines)
        finally:
            server.terminate()


def _run(folder: Path, program: str, *arguments: str, **variables: str) -> str:
    done = subprocess.run(
        [str(BIN / program), *arguments],
        cwd=folder,
        env={**_environment(folder), **variables},
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout


def _environment(folder: Path) -> dict[str, str]:
    return {"HOME": str(folder / "home"), "PATH": os.environ["PATH"], "PYTHONWARNINGS": "error"}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        print(first_day(Path(temporary), Path(sys.argv[1]).resolve()))
