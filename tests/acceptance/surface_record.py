"""Holds the public surface still: what changes has to be told in CHANGELOG.md.

The record has every public name as it was, and which entries the changelog had by then. `make
surface` renews it, and refuses while an entry under Unreleased that was not there the last time
does not name each name that has changed.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.acceptance.public_surface import Public, digest, surface

CHANGELOG = Path(__file__).parents[2] / "CHANGELOG.md"
RECORD = Path(__file__).with_name("public_surface.json")
_NEW, _GONE = "is new", "is gone"


@dataclass(frozen=True)
class Record:
    """What was written down: the surface, and the entries that the changelog had by then."""

    names: Mapping[str, Public]
    entries: frozenset[str]

    @classmethod
    def read(cls) -> Record:
        stored = json.loads(RECORD.read_text())
        names = {name: Public(*what) for name, what in stored["names"].items()}
        return cls(names, frozenset(stored["entries"]))

    def write(self) -> None:
        """One line for each name, so that the changes can be read and merged."""
        lines = [
            f"  {json.dumps(name)}: {json.dumps([what.signature, what.docstring])}"
            for name, what in sorted(self.names.items())
        ]
        names, entries = ",\n".join(lines), json.dumps(sorted(self.entries), indent=1)
        RECORD.write_text(f'{{"names": {{\n{names}\n}},\n"entries": {entries}}}\n')


def changes(record: Record, now: Mapping[str, Public]) -> dict[str, str]:
    """Return each name that is not as it was written down, and what has become of it."""
    found = dict.fromkeys(record.names.keys() - now.keys(), _GONE)
    found |= dict.fromkeys(now.keys() - record.names.keys(), _NEW)
    for name in now.keys() & record.names.keys():
        was, is_ = record.names[name], now[name]
        if was.signature != is_.signature:
            found[name] = f"was {was.signature}, is {is_.signature}"
        elif was.docstring != is_.docstring:
            found[name] = "has another docstring"
    return dict(sorted(found.items()))


def entries_of(changelog: str) -> list[str]:
    """Return the entries of a changelog, each with its further lines."""
    return re.findall(r"^- .+(?:\n  .+)*", changelog, flags=re.MULTILINE)


def untold(changed: Mapping[str, str], record: Record, changelog: str) -> list[str]:
    """Return the changed names that no new entry under Unreleased has between backticks.

    What is new or gone as a whole, a class or a module, is told for all that is in it.
    """
    section = re.search(r"^## \[Unreleased\].*?(?=^## \[|\Z)", changelog, re.MULTILINE | re.DOTALL)
    entries = entries_of(section.group()) if section else []
    new = "\n".join(entry for entry in entries if digest(entry) not in record.entries)
    words = {word for code in re.findall(r"`[^`]+`", new) for word in re.findall(r"\w+", code)}

    def told(name: str) -> bool:
        whole, _, own = name.rpartition(".")
        return own in words or (changed.get(whole) in (_NEW, _GONE) and told(whole))

    return [name for name in changed if not told(name)]


def advice(changed: Mapping[str, str], missing: list[str]) -> str:
    """Return what has changed and what is to be done about it."""
    listed = "\n".join(f"  {name} {what}" for name, what in changed.items())
    told = f"Public names have changed:\n{listed}\n"
    if not missing:
        return f"{told}CHANGELOG.md tells of it: run `make surface`."
    names = "\n  ".join(dict.fromkeys(name.rpartition(".")[2] for name in missing))
    return (
        f"{told}Write an entry into CHANGELOG.md, under Unreleased, with these between "
        f"backticks:\n  {names}\nThen run `make surface`."
    )


def look() -> str:
    """Return what is to be done, or nothing if the surface is as it was written down."""
    record = Record.read()
    changed = changes(record, surface())
    return advice(changed, untold(changed, record, CHANGELOG.read_text())) if changed else ""


def renew() -> str:
    """Write down the surface as it is; return why not if the changelog does not tell of it."""
    record, now, changelog = Record.read(), surface(), CHANGELOG.read_text()
    changed = changes(record, now)
    missing = untold(changed, record, changelog)
    if missing:
        return advice(changed, missing)
    Record(now, frozenset(map(digest, entries_of(changelog)))).write()
    return ""


if __name__ == "__main__":
    sys.exit(renew() or None)
