"""alerts.jsonl: JSON and nothing else, from any number of processes, and never lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from stripe_billing_router.alerts import json_lines
from stripe_billing_router.alerts.json_lines import JsonLines
from tests.unit.alerts.alert_samples import lines_of

WRITER = """
import sys
from pathlib import Path
from stripe_billing_router.alerts.json_lines import JsonLines

file = JsonLines(Path(sys.argv[1]), 20_000)
for number in range(300):
    file.append({"writer": sys.argv[2], "number": number, "text": "line\\nbreak é " * 5})
"""


def test_four_processes_at_once_lose_no_line_and_tear_none(tmp_path: Path) -> None:
    """While they write, the file is put aside again and again."""
    path = tmp_path / "logs" / "alerts.jsonl"
    command = [sys.executable, "-W", "error", "-c", WRITER, str(path)]
    writers = [subprocess.Popen([*command, str(name)]) for name in range(4)]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0, 0, 0]
    files = [file for file in path.parent.iterdir() if file.suffix != ".lock"]
    found = [(line["writer"], line["number"]) for line in lines_of(*files)]
    assert len(files) > 5
    assert sorted(found) == sorted((str(w), n) for w in range(4) for n in range(300))


def test_a_full_file_is_put_aside_and_no_backup_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    (tmp_path / "alerts.jsonl.1").write_text("mine\n")
    file = JsonLines(path, 100)
    for number in range(4):
        file.append({"number": number, "text": "x" * 60})
    assert (tmp_path / "alerts.jsonl.1").read_text() == "mine\n"
    files = [tmp_path / f"alerts.jsonl.{n}" for n in (2, 3, 4)] + [path]
    assert [line["number"] for line in lines_of(*files)] == [0, 1, 2, 3]


def test_a_full_file_that_cannot_be_put_aside_grows_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one is that its host has made append-only. It does not fill the folder with backups."""

    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "replace", refused)
    path = tmp_path / "alerts.jsonl"
    for number in range(4):
        JsonLines(path, 100).append({"number": number, "text": "x" * 60})
    assert [line["number"] for line in lines_of(path)] == [0, 1, 2, 3]
    assert {file.name for file in tmp_path.iterdir()} <= {path.name, f"{path.name}.lock"}


def test_only_its_owner_reads_it(tmp_path: Path) -> None:
    JsonLines(tmp_path / "alerts.jsonl").append({})
    modes = {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    assert modes == {0o600}


def test_a_disk_that_fills_up_leaves_no_half_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "alerts.jsonl"
    file = JsonLines(path)
    file.append({"number": 1})
    write = os.write
    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda fd, line: write(fd, line[:5]))
        with pytest.raises(OSError, match="No space left"):
            file.append({"number": 2})
    file.append({"number": 3})
    assert [line["number"] for line in lines_of(path)] == [1, 3]


def test_a_pipe_that_nobody_reads_holds_nothing_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "alerts.jsonl")
    with pytest.raises(OSError, match="No such device"):
        JsonLines(tmp_path / "alerts.jsonl").append({})


def test_a_lock_that_is_held_for_too_long_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its holder may have been stopped."""
    monkeypatch.setattr(json_lines, "_LOCK_SECONDS", 0.05)
    path = tmp_path / "alerts.jsonl"
    with FileLock(f"{path}.lock"):
        JsonLines(path).append({"number": 1})
    assert lines_of(path) == [{"number": 1}]
    assert "held for too long" in caplog.text
