"""Reads the commands of a block, and what a document says of them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from tests.acceptance.documents.pages import ROOT, Block

NOT_RUN = {
    "make": "builds and tests the whole project; its targets are looked up",
    "python -m pip": "installs from a folder of the reader's",
    "install -m": "writes below /etc; the files that it names have to be there",
    "systemctl": "needs systemd; its unit has to be in deploy/",
}
# Programs of others that may be missing from a machine: then a page is skipped, and says so.
FOREIGN = frozenset({"createdb", "openssl", "pg_dump", "pg_restore", "psql", "sqlite3"})
_EXIT_CODE = re.compile(r"#.*\bexit code (\d)\b")
_ENDLESS = re.compile(r"\b(webhooks work|events pump)\b(?!.* --once)")


def commands(block: Block) -> Iterator[tuple[str, list[str]]]:
    """Yield every command with the lines that are shown below it."""
    text = block.text.replace("\\\n", "")
    if block.language == "bash":
        yield from ((line, []) for line in text.splitlines() if line and not line.startswith("#"))
        return
    first, *rest = re.split(r"^\$ ", text, flags=re.MULTILINE)
    assert not first, f"{block} shows output before the first command"
    for part in rest:
        command, *shown = part.splitlines()
        yield command, [line for line in shown if line]


def is_not_run(command: str) -> bool:
    """Whether a command is one of those that no test can run."""
    return any(re.match(rf"{re.escape(name)}\b", command) for name in NOT_RUN)


def check_what_is_not_run(command: str, where: str) -> None:
    """What such a command names has to be there."""
    words = shlex.split(command, comments=True)
    if words[0] == "make":
        assert f"\n{words[1]}:" in (ROOT / "Makefile").read_text(), where
    for word in words:
        if word.startswith("deploy/"):
            assert (ROOT / word).is_file(), where
        if word.endswith((".service", ".timer")):
            assert (ROOT / "deploy" / Path(word).name).is_file(), where


def exit_code(command: str) -> int:
    """The exit code that the document says a command has."""
    told = _EXIT_CODE.search(command)
    return int(told[1]) if told else 0


def once(command: str) -> str:
    """A command that would go on until it is told to stop stops when nothing is due."""
    return _ENDLESS.sub(r"\1 --once", command)


def needs_a_shell(command: str) -> bool:
    """Whether a command is more than words: a pipe, a second command, a variable."""
    words = shlex.shlex(command, posix=True, punctuation_chars=True)
    words.whitespace_split = True
    return any(set(word) <= set("|&;<>()") for word in words) or bool(re.search("[$`]", command))
