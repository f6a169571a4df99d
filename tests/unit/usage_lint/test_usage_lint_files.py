"""Files that are no plain programs: large, binary, broken, in other encodings, not readable."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from stripe_billing_router.usage_lint import files, lint, programs
from tests.unit.usage_lint.corpus_reader import LOOK_ALIKES
from tests.unit.usage_lint.lint_helpers import STRIPE, places, project

KEY = LOOK_ALIKES["sk_live"]


def found(folder: Path, name: str, text: str | bytes) -> list[str]:
    return places(lint([project(folder, {name: text})]), folder)


@pytest.mark.parametrize(
    "text",
    [
        b"def broken(:\n",
        b"x = 1\0\n",
        b"\0\0\0\0",
        b"x = '\xff'\n",
        b"# coding: utf-16\n",
        b"# coding: no-such\n",
        "import os\n".encode("utf-16"),
        b"(" * 5000 + b")" * 5000,
        b"x = " + b"-" * 100_000 + b"1\n",
    ],
)
def test_a_program_that_cannot_be_parsed_is_a_finding(tmp_path: Path, text: bytes) -> None:
    findings = lint([project(tmp_path, {"a.py": text})])
    assert [finding.rule for finding in findings] == ["SBR000"]
    assert "nothing is known about what it does" in findings[0].message


def test_the_line_that_cannot_be_parsed_is_shown(tmp_path: Path) -> None:
    assert found(tmp_path, "a.py", "x = 1\n\nimport\n") == ["a.py:3:1 SBR000"]


def test_a_broken_program_still_tells_its_keys_and_hosts(tmp_path: Path) -> None:
    text = f"def broken(:\nkey = '{KEY}'\nurl = 'https://api.stripe.com/v1'\n"
    expected = ["a.py:1:1 SBR000", "a.py:2:8 SBR004", "a.py:3:16 SBR003"]
    assert found(tmp_path, "a.py", text) == expected


def test_doubtful_escapes_are_not_our_business(tmp_path: Path) -> None:
    assert found(tmp_path, "a.py", 'x = "\\d"\n') == []


def test_undecodable_text_is_read_as_latin_1(tmp_path: Path) -> None:
    text = b"caf\xe9 \xff\xfe = " + KEY.encode()
    assert found(tmp_path, "a.env", text) == ["a.env:1:11 SBR004"]


def test_columns_count_characters(tmp_path: Path) -> None:
    assert found(tmp_path, "a.py", 'größe = "名前"; import stripe\n') == ["a.py:1:22 SBR001"]
    assert found(tmp_path / "b", "b.env", f"größe=名前 {KEY}") == ["b.env:1:10 SBR004"]


def test_a_declared_encoding_counts(tmp_path: Path) -> None:
    text = '# coding: latin-1\nx = "é"; import stripe\n'.encode("latin-1")
    assert found(tmp_path, "a.py", text) == ["a.py:2:17 SBR001"]


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_lines_end_as_they_like(tmp_path: Path, ends: str) -> None:
    text = ends.join(["x = 1", f"# {KEY}", "import stripe", ""])
    assert found(tmp_path, "a.py", text) == ["a.py:2:3 SBR004", "a.py:3:8 SBR001"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_marked_encodings_are_read(tmp_path: Path, encoding: str) -> None:
    text = f"\nSTRIPE_SECRET_KEY={KEY}\n".encode(encoding)
    assert found(tmp_path, ".env", text) == [".env:2:19 SBR004"]


def test_binary_files_are_no_texts(tmp_path: Path) -> None:
    files_: dict[str, str | bytes] = {"a.db": b"SQLite\0" + KEY.encode(), "b.png": b"\x89PNG\0"}
    assert lint([project(tmp_path, files_)]) == []


def test_a_large_text_is_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAPPED_FROM", 3 << 20)
    line = "x" * 99 + "\n"
    lines = files.MAPPED_FROM // 100 + 1
    text = f"{line * lines}key: {KEY}\n"
    assert found(tmp_path, "a.yaml", text) == [f"a.yaml:{lines + 1}:6 SBR004"]


def test_a_large_line_is_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAPPED_FROM", 1000)
    text = "x" * 3_000_000 + f' "{KEY}", "https://api.stripe.com/v1"'
    expected = ["a.json:1:3000003 SBR004", f"a.json:1:{3_000_015 + len(KEY)} SBR003"]
    assert found(tmp_path, "a.json", text) == expected


def test_a_large_program_is_a_finding(tmp_path: Path) -> None:
    text = "x = 1\n" * (programs.PARSED_UP_TO // 6 + 1) + f"# {KEY}\n"
    findings = lint([project(tmp_path, {"a.py": text})])
    assert [finding.rule for finding in findings] == ["SBR000", "SBR004"]
    assert "too large" in findings[0].message


def test_a_file_that_cannot_be_read_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(path: str) -> bytes:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(files, "read", closed)
    findings = lint([project(tmp_path, {"a.py": STRIPE, "b.txt": "x"})])
    assert places(findings, tmp_path) == ["a.py:1:1 SBR000", "b.txt:1:1 SBR000"]
    assert "Permission denied" in findings[0].message


def test_a_file_that_vanishes_violates_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(path: str) -> bytes:
        raise FileNotFoundError(2, "No such file", path)

    monkeypatch.setattr(files, "read", gone)
    assert lint([project(tmp_path, {"a.py": STRIPE})]) == []


def test_a_key_in_the_name_of_a_file_is_not_printed(tmp_path: Path) -> None:
    findings = lint([project(tmp_path, {f"{KEY}.py": STRIPE})])
    assert findings[0].path == f"{tmp_path}/[redacted].py"


def test_only_the_first_line_makes_a_script_python(tmp_path: Path) -> None:
    assert found(tmp_path, "pay", f"#!/usr/bin/python3 -u\n{STRIPE}") == ["pay:2:8 SBR001"]
    assert found(tmp_path / "b", "pay", f"#!/bin/sh\n# python\n{STRIPE}") == []
    assert found(tmp_path / "c", "pay.sh", f"#!/usr/bin/python3\n{STRIPE}") == []


def doubled(times: int) -> str:
    """A variable that is as long as two to the power of `times`."""
    steps = "".join(f"x{n + 1} = x{n} + x{n}\n" for n in range(times))
    return f"x0 = 'stri'\n{steps}__import__(x{times})\n"


HOSTILE = {
    "doubled": doubled(60),
    "long_sum": "x = " + " + ".join(["'a'"] * 900) + "\n",
    "long_join": "x = ''.join([" + "'ab', " * 20_000 + "])\n",
    "many_bindings": "x = 'a'\n" * 3000 + "__import__(x)\n",
    "self_reference": "x = 'a'\n" + "x = x + 'b'\n" * 1000 + "__import__(x)\n",
    "in_a_circle": "a = b\nb = a\na = a.c\n__import__(a)\nb('stripe.')\nfor a in a: a(a)\n",
    "endless_function": "def f(x): return f(x + 'a')\n__import__(f('s'))\n",
    "wide_choice": "x = 'a' if y else 'b'\n" + "x += 'a' if y else 'b'\n" * 300 + "__import__(x)\n",
    "wide_format": "x = '" + "%s" * 50 + "' % (" + "('a' if y else 'b'), " * 50 + ")\n",
    "huge_width": "x = '%999999999d' % 1\ny = '{:>999999999}'.format(1)\nz = f'{1:>999999999}'\n",
    "huge_replace": "x = ('a' * 9 + 'b').replace('b', 'c' * 999999999)\n",
    "nested_exec": "exec(" * 20 + "'import json'" + ")" * 20 + "\n",
    "many_aliases": "".join(f"a{n + 1} = a{n}.b\n" for n in range(500)) + "a500('stripe.')\n",
    "many_strings": "x = ['com', '.com', 'sk_live_']\n" * 3000,
    "circle_of_texts": "a = import_module(a(a))\nb = getattr(b(b), b(a))\nb(b)(a(b))\nexec(a(b))\n",
    "circle_of_dedent": "dedent = import_module(dedent(a))\na = f'{a}'\nexec(dedent(a))\n",
    "wide_f_strings": "x = 'a' * 99\n" + "y = f'{x}{x}{x}'\nx = f'{y}{y}{y}'\n" * 300,
    "handed_on_often": "k = 1\n" + "BillingRouter(secret_key=k, STRIPE_SECRET_KEY=k)\n" * 3000,
    "command_of_options": "x = ['stripe'" + ", '-a', 'stripe'" * 3000 + "]\n",
    "bad_commands": "run()\n''.split()\nx = ['-c'], [], ['python', '-c'], [*a, '-c', b]\n",
    "bad_slice": "x = 'a'[::0]\ny = 'a'['b':]\nz = 'a'[0.5:]\n",
    "bad_format": "x = '{0.a[b]!r:>{w}} {'.format(1)\ny = '%(a)s %' % {}\n",
    "bad_calls": "__import__()\nimport_module()\nexec()\n''.join()\n'a'.replace()\ngetattr()\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_program_takes_neither_time_nor_sense(tmp_path: Path, name: str) -> None:
    text = f"import importlib\n{HOSTILE[name]}import stripe\n"
    before = time.process_time()
    findings = lint([project(tmp_path, {"a.py": text})])
    assert time.process_time() - before < 2
    assert [finding.rule for finding in findings] == ["SBR001"]


@pytest.mark.parametrize(
    "text",
    [
        "stripe -a " * 50_000,
        "python -c " * 50_000,
        ("a=" * 2000 + "stripe charges create\n") * 100,
        ("-" * 4000 + "stripe charges create\n") * 100,
        "import a, " * 50_000,
        "$  " * 100_000,
    ],
    ids=["options", "python", "variables", "dashes", "imports", "dollars"],
)
def test_a_hostile_text_takes_no_time(tmp_path: Path, text: str) -> None:
    before = time.process_time()
    assert found(tmp_path, "a.sh", f"{text}\n{KEY}\n")[-1].endswith("SBR004")
    assert time.process_time() - before < 3


def test_nothing_of_a_program_is_run(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    text = f"open({str(mark)!r}, 'w')\nexec(\"import stripe; open({str(mark)!r}, 'w')\")\n"
    assert found(tmp_path, "a.py", text) == ["a.py:2:1 SBR002"]
    assert not os.path.exists(mark)
