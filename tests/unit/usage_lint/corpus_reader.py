"""Reads the corpus: snippets with their paths and the rules that they violate."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent / "corpus"
TAIL = "".join(reversed("cd7pdz1TtrajDWyLqH93Ce4"))

# No file of the repository holds these: they are put together here.
LOOK_ALIKES = {
    "tail": TAIL,
    **{
        name: f"{name}_{TAIL}"
        for name in (
            *("sk_live", "rk_live", "sk_test", "rk_test", "sk_org", "sk_org_live"),
            *("whsec", "pk_live", "pk_test"),
        )
    },
}


class Snippet(NamedTuple):
    name: str
    path: str
    text: str
    rules: frozenset[str]


def snippets(kind: str) -> list[Snippet]:
    """Return the snippets of a file of the corpus."""
    text = (FOLDER / f"{kind}.txt").read_text(encoding="utf-8")
    return [_snippet(block) for block in text.split("\n### ")[1:]]


def with_keys(text: str) -> str:
    """Put what looks like a key where a text names one."""
    return re.sub("«([a-z_]+)»", lambda match: LOOK_ALIKES[match[1]], text)


def _snippet(block: str) -> Snippet:
    heading, _, text = block.partition("\n")
    name, *others = heading.split()
    rules = frozenset(other for other in others if re.fullmatch("SBR[0-9]{3}", other))
    paths = [other for other in others if other not in rules]
    path = paths[0] if paths else f"{name}.py"
    return Snippet(name, path, with_keys(text), rules)
