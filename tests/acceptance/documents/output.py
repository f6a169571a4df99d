"""Compares what a document says is printed with what is."""

from __future__ import annotations

import re
from collections.abc import Sequence


def assert_shown(shown: Sequence[str], printed: str, where: str) -> None:
    """`…` stands for any text, and alone on a line for any lines; columns may be spaced freely."""
    pattern = "".join(_line(line) for line in shown)
    plain = "".join(f"{_plain(line)}\n" for line in printed.splitlines())
    told = "\n".join(shown)
    assert re.fullmatch(pattern, plain), f"{where}: shown\n{told}\nprinted\n{printed}"


def _line(line: str) -> str:
    if line.strip() == "…":
        return r"(?:.*\n)*?"
    return ".*?".join(re.escape(part) for part in _plain(line).split("…")) + r"\n"


def _plain(line: str) -> str:
    return " ".join(line.split())
