"""The journal's file: torn, damaged, somebody else's, too large. Nothing in it is ever lost."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

import pytest

from stripe_billing_router.errors import LedgerTamperedError, LedgerUnavailableError
from stripe_billing_router.store.journal import file
from tests.unit.store.journal_samples import Journal, Memory


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "journal.jsonl"


def others(path: Path, ending: str) -> list[bytes]:
    return [found.read_bytes() for found in sorted(path.parent.glob(f"{path.name}.{ending}"))]


def test_a_line_that_is_cut_anywhere_is_set_aside_and_told(path: Path) -> None:
    Journal(path).write("a", "b", "c")
    whole = path.read_bytes()
    *_, last = whole.splitlines(keepends=True)
    start = len(whole) - len(last)
    for cut in range(start + 1, len(whole)):
        path.write_bytes(whole[:cut])
        journal = Journal(path)
        assert journal.names() == ["a", "b"]
        assert len(journal.heard("ledger.journal_torn")) == 1
        (kept,) = path.parent.glob(f"{path.name}.torn.*")
        assert kept.read_bytes() == whole[start:cut]
        kept.unlink()


def test_after_a_repair_it_goes_on(path: Path) -> None:
    Journal(path).write("a", "b")
    with path.open("ab") as torn:
        torn.write(b'{"at_ms":0,"bo')
    journal = Journal(path)
    journal.write("c")
    assert Journal(path).names() == ["a", "b", "c"]
    assert others(path, "torn.*") == [b'{"at_ms":0,"bo']


@pytest.mark.parametrize("cut", [0, 1, 2, 40])
def test_a_header_that_is_cut_is_begun_anew(path: Path, cut: int) -> None:
    Journal(path).write("a")
    path.write_bytes(path.read_bytes()[:cut])
    journal = Journal(path)
    journal.write("b")
    assert Journal(path).names() == ["b"]


def test_a_tail_that_never_reached_the_disk_is_set_aside(path: Path) -> None:
    """After a power failure, some file systems show zeros where the last line should be."""
    Journal(path).write("a")
    with path.open("ab") as torn:
        torn.write(b"\0" * 4096)
    assert Journal(path).names() == ["a"]
    assert others(path, "torn.*") == [b"\0" * 4096]


def test_every_changed_byte_stops_the_drain_and_is_left_as_it_is(path: Path) -> None:
    Journal(path).write("a", "b", "c")
    whole = path.read_bytes()
    start = whole.index(b"\n") + 1
    start = whole.index(b"\n", start) + 1
    end = whole.index(b"\n", start)
    for place in range(start, end):
        changed = bytearray(whole)
        changed[place] ^= 1
        path.write_bytes(changed)
        journal = Journal(path)
        with pytest.raises(LedgerTamperedError, match=r"line 3.*copy"):
            journal.names()
        assert journal.memory.drained == ["a"]
        assert path.read_bytes() == changed
        path.write_bytes(whole)
        assert journal.names() == ["a", "b", "c"]


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_line_that_is_missing_stops_the_drain(path: Path, lost: int) -> None:
    Journal(path).write("a", "b", "c")
    lines = path.read_bytes().splitlines(keepends=True)
    del lines[lost]
    path.write_bytes(b"".join(lines))
    journal = Journal(path)
    with pytest.raises(LedgerTamperedError):
        journal.names()
    with pytest.raises(LedgerTamperedError):
        journal.write("d")
    assert path.read_bytes() == b"".join(lines)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\n",
        b"garbage\n",
        b"garbage",
        b"[]\n",
        b"null\n{}\n",
        b'{"a":1}\n',
        b"\xff\xfe\n",
        b"[" * 9999,
    ],
)
def test_garbage_is_a_clear_error_and_stays(path: Path, garbage: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(garbage)
    journal = Journal(path)
    for use in (journal.names, lambda: journal.write("a")):
        with pytest.raises(LedgerTamperedError, match="damaged"):
            use()
    assert path.read_bytes() == garbage


def test_the_lines_of_another_ledger_are_not_drained(path: Path) -> None:
    Journal(path).write("a")
    stranger = Journal(path, Memory("ledger-2"))
    for use in (stranger.names, lambda: stranger.write("b")):
        with pytest.raises(LedgerUnavailableError, match="another ledger"):
            use()
    assert Journal(path).names() == ["a"]
    stranger.write("b")
    assert stranger.names() == ["b"]
    assert len(others(path, "1")) == 1


def test_what_is_drained_and_large_is_set_aside_and_never_overwritten(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file, "_ROTATED_FROM", 2000)
    memory = Memory()
    journal, other = Journal(path, memory), Journal(path, memory)
    path.parent.mkdir()
    path.with_name(f"{path.name}.7").write_text("somebody's")
    names = [f"entry-{number}" for number in range(60)]
    for number, name in enumerate(names):
        writer = (journal, other)[number % 2]
        writer.write(name)
        if number % 3 == 0:
            memory.last = 0 if not path.exists() else memory.last
            other.names()
        if not path.exists():
            memory.last = 0
    other.names()
    assert memory.drained == names
    kept = b"".join(others(path, "[0-9]*")) + (path.read_bytes() if path.exists() else b"")
    assert all(f'"{name}"'.encode() in kept for name in names)
    assert path.with_name(f"{path.name}.7").read_text() == "somebody's"
    assert len(others(path, "[0-9]*")) > 5


def test_what_is_not_drained_is_not_rotated(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file, "_ROTATED_FROM", 1)
    Journal(path).write("a", "b", "c")
    assert path.exists()
    assert others(path, "[0-9]*") == []


def test_all_its_files_are_the_owner_s_alone(path: Path) -> None:
    Journal(path).write("a")
    with path.open("ab") as torn:
        torn.write(b"{")
    Journal(path).names()
    files = list(path.parent.iterdir())
    assert len(files) == 3
    assert {stat.S_IMODE(found.stat().st_mode) for found in files} == {0o600}


def test_every_line_is_synchronised_before_it_counts(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synchronised: list[str] = []
    really = os.fsync

    def fsync(descriptor: int) -> None:
        synchronised.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        really(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    Journal(path).write("a")
    assert synchronised == [str(path.parent.parent), *[str(path)], str(path.parent), str(path)]


def test_a_line_that_could_not_be_synchronised_is_taken_back(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(path)
    journal.write("a")
    before = path.read_bytes()
    with monkeypatch.context() as failing:
        failing.setattr(os, "fsync", _fails)
        with pytest.raises(LedgerUnavailableError, match="No space left"):
            journal.write("b")
    assert path.read_bytes() == before
    journal.write("c")
    assert Journal(path).names() == ["a", "c"]


def _fails(_descriptor: int) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("folder", ["a-file", "a-file/below", "/proc/none"])
def test_where_no_file_can_be_made_the_message_says_so(tmp_path: Path, folder: str) -> None:
    (tmp_path / "a-file").touch()
    journal = Journal(tmp_path / folder / "journal.jsonl")
    with pytest.raises(LedgerUnavailableError, match="STRIPE_LEDGER_FALLBACK"):
        journal.write("a")
    assert journal.names() == []


def test_a_journal_that_is_a_folder_is_told(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(LedgerUnavailableError, match="STRIPE_LEDGER_FALLBACK"):
        Journal(path).write("a")


def test_a_forked_child_trusts_the_file_alone(path: Path) -> None:
    """Its parent's other threads may have been in the middle of reading."""
    journal = Journal(path)
    journal.write("a")
    journal.file.last = None
    child = os.fork()
    if child == 0:
        left = 1
        with suppress(BaseException):
            journal.write("b")
            left = 0
        os._exit(left)
    assert os.waitpid(child, 0)[1] == 0
    assert Journal(path).names() == ["a", "b"]
