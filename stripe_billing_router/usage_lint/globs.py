"""Patterns of paths: `*` and `?` within a name, `**` for any number of folders."""

from __future__ import annotations

import re
from typing import Final

_WILD: Final = re.compile(r"[*?]")


def fault_of(glob: object) -> str | None:
    """Return what is wrong with a pattern; None if it is right."""
    if not isinstance(glob, str) or not glob.strip("./"):
        return "is not the pattern of a path"
    if glob.startswith("/") or "\\" in glob or ".." in glob.split("/"):
        return "must be relative to the project's folder, go down only, and use forward slashes"
    return None


def compiled(glob: str) -> re.Pattern[str]:
    """Return a pattern that fits whole relative paths. One that ends in `/` fits all below."""
    *folders, last = _parts(glob)
    above = "".join("(?:[^/]+/)*" if name == "**" else f"{_name(name)}/" for name in folders)
    return re.compile(above + (".+" if last == "**" else _name(last)), re.DOTALL)


def fixed_part(glob: str) -> str:
    """Return the folders that a pattern begins with, up to the first wildcard."""
    parts = _parts(glob)
    fixed = next((place for place, part in enumerate(parts) if _WILD.search(part)), len(parts) - 1)
    return "/".join(parts[: min(fixed, len(parts) - 1)])


def _parts(glob: str) -> list[str]:
    whole = f"{glob}**" if glob.endswith("/") else glob
    return [part for part in whole.split("/") if part not in ("", ".")]


def _name(name: str) -> str:
    wild = {"*": "[^/]*", "?": "[^/]"}
    return "".join(wild.get(character) or re.escape(character) for character in name)
