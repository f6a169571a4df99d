"""Files that only grow, whatever cuts a write off."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stripe_billing_router.json_lines import JsonLines

RECORDS: list[dict[str, object]] = [{"a": 1}, {"b": "zwei\u2028\n" + "x" * 70_000}, {"c": None}]


@pytest.fixture
def file(tmp_path: Path) -> JsonLines:
    made = JsonLines(tmp_path / "below" / "lines.jsonl")
    made.append(*RECORDS)
    return made


def held(file: JsonLines) -> list[object]:
    return [record for _, record in file.records()]


def test_what_was_appended_is_read_back_a_line_each(file: JsonLines) -> None:
    assert held(file) == RECORDS
    assert file.path.read_bytes().count(b"\n") == 3
    assert file.repair() == 0


def test_a_cut_at_any_byte_loses_at_most_the_line_it_cuts(file: JsonLines, tmp_path: Path) -> None:
    whole = file.path.read_bytes()
    for length in [*range(20), 35_000, 65_535, 65_536, 65_537, *range(len(whole) - 20, len(whole))]:
        torn = JsonLines(tmp_path / "torn.jsonl")
        torn.path.write_bytes(whole[:length])
        complete = whole[:length].count(b"\n")
        without_break = whole[length : length + 1] == b"\n"
        dropped = torn.repair()
        assert held(torn) == RECORDS[: complete + without_break]
        assert (dropped > 0) == (
            not without_break and whole[length - 1 : length] not in (b"\n", b"")
        )
        torn.append({"next": 1})
        assert held(torn)[-1] == {"next": 1}
        assert torn.repair() == 0


@pytest.mark.parametrize("rest", [b"\0\0\0", b"[1]", b"12", b'"text"', b"[" * 100_000, b"\xff"])
def test_a_last_line_that_is_no_record_is_dropped(file: JsonLines, rest: bytes) -> None:
    with file.path.open("ab") as raw:
        raw.write(rest)
    assert file.repair() == len(rest)
    assert held(file) == RECORDS


def test_a_line_that_is_no_record_is_none_with_its_number(file: JsonLines) -> None:
    with file.path.open("ab") as raw:
        raw.write(b"not json\n")
    assert list(file.records())[-1] == (4, None)


def test_a_file_that_is_not_there_is_empty(tmp_path: Path) -> None:
    absent = JsonLines(tmp_path / "absent")
    assert (absent.repair(), held(absent)) == (0, [])


def test_numbers_that_json_does_not_have_are_refused(file: JsonLines) -> None:
    with pytest.raises(ValueError, match="JSON"):
        file.append({"a": float("nan")})
    assert held(file) == RECORDS


def test_nobody_else_can_read_it(file: JsonLines) -> None:
    assert file.path.stat().st_mode & 0o077 == 0
    assert json.loads(file.path.read_text().splitlines()[0]) == RECORDS[0]
