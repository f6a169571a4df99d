"""Logs are put away without overwriting anything, whenever a crash comes."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from stripe_billing_router.stripe_watchdog.rotation import finish_rotations, rotate

TIME = "2026-11-20T12:00:00.000Z"
STAMP = "20261120T120000000Z"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "audit[1].jsonl"
    path.write_text("one\n")
    return path


def backups(log: Path) -> dict[str, str]:
    found = [path for path in log.parent.iterdir() if path != log]
    return {
        path.name.removeprefix(f"{log.name}."): gzip.decompress(path.read_bytes()).decode()
        for path in found
    }


def test_a_small_log_stays(log: Path) -> None:
    rotate(log, 4, TIME)
    assert (log.read_text(), backups(log)) == ("one\n", {})


def test_backups_of_one_instant_do_not_overwrite_each_other(log: Path) -> None:
    for text in ("one\n", "two\n", "three\n"):
        log.write_text(text)
        rotate(log, 1, TIME)
    assert not log.exists()
    assert backups(log) == {
        f"{STAMP}.gz": "one\n",
        f"{STAMP}-1.gz": "two\n",
        f"{STAMP}-2.gz": "three\n",
    }


def test_a_crash_before_or_after_compressing_is_made_good(log: Path) -> None:
    plain = log.with_name(f"{log.name}.{STAMP}")
    os.rename(log, plain)
    plain.with_name(f"{plain.name}.part").write_bytes(b"half")
    finish_rotations(log)
    assert backups(log) == {f"{STAMP}.gz": "one\n"}
    plain.write_text("one\n")
    finish_rotations(log)
    assert backups(log) == {f"{STAMP}.gz": "one\n"}


def test_files_of_others_are_left_alone(log: Path) -> None:
    other = log.with_name(f"{log.name}.bak")
    other.write_text("mine")
    finish_rotations(log)
    assert other.read_text() == "mine"
