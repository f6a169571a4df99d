"""An interrupt, such as Ctrl-C in a notebook or a handler that raises, leaves nothing behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no such timer")
def test_whatever_moment_interrupts_it_the_next_one_finds_the_database_free(tmp_path: Path) -> None:
    module = "tests.integration.store.interrupted"
    done = subprocess.run(
        [sys.executable, "-m", module, str(tmp_path / "ledger.db"), "600"],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert done.stdout == "nothing\n", done.stderr
