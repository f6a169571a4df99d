"""What is allowed by path: `[tool.stripe_billing_router.usage]` of pyproject.toml, or the call.

Patterns: `*` and `?` stand for anything within a name, `**` for any number of folders.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ..errors import ConfigurationError
from .findings import RULES

_FILE: Final = "pyproject.toml"
_TABLE: Final = ("tool", "stripe_billing_router", "usage")


@dataclass(eq=False, slots=True)
class Allowance:
    """One rule, allowed for the files that one pattern fits below a folder. It counts its use."""

    rule: str
    glob: str
    folder: str
    origin: str
    pattern: re.Pattern[str]
    used: bool = False

    def allows(self, rule: str, path: str) -> bool:
        """Return whether this allows a rule for a file, given by its real path."""
        below = os.path.join(self.folder, "")
        if rule != self.rule or not path.startswith(below):
            return False
        fits = self.pattern.fullmatch(path.removeprefix(below)) is not None
        self.used = self.used or fits
        return fits

    def concerns_only(self, folders: Sequence[str]) -> bool:
        """Return whether all that the pattern may fit is in one of these folders."""
        start = os.path.join(self.folder, _fixed_part(self.glob), "")
        return any(start.startswith(os.path.join(folder, "")) for folder in folders)

    def fault(self) -> tuple[str, str]:
        return self.origin, f"{self.rule} is allowed for {self.glob!r}, which violates nothing"


def allowances(
    allow: object, folder: str, origin: str
) -> tuple[list[Allowance], list[tuple[str, str]]]:
    """Return the allowances of a mapping of rules to patterns, and its faults."""
    if not isinstance(allow, Mapping):
        return [], [(origin, "is not a table of rules and lists of patterns")]
    found: list[Allowance] = []
    faults: list[tuple[str, str]] = []
    for rule, patterns in allow.items():
        fault = _fault_of_entry(rule, patterns)
        if fault is not None:
            faults.append((origin, fault))
            continue
        globs = dict.fromkeys(patterns)
        found += (Allowance(rule, glob, folder, origin, compiled(glob)) for glob in globs)
    return found, faults


def _fault_of_entry(rule: Any, patterns: Any) -> str | None:
    if rule not in RULES:
        return f"{str(rule)!r} is not a rule; the rules are {', '.join(RULES)}"
    if isinstance(patterns, str) or not isinstance(patterns, Sequence):
        return f"what {rule} is allowed for is not a list of patterns"
    for glob in patterns:
        fault = _fault_of_glob(glob)
        if fault is not None:
            return f"{str(glob)!r}, for which {rule} is allowed, {fault}"
    return None


def _fault_of_glob(glob: object) -> str | None:
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


def _fixed_part(glob: str) -> str:
    """Return the folders that a pattern begins with, up to the first wildcard."""
    parts = _parts(glob)
    fixed = next(
        (place for place, part in enumerate(parts) if re.search("[*?]", part)), len(parts) - 1
    )
    return "/".join(parts[: min(fixed, len(parts) - 1)])


def _parts(glob: str) -> list[str]:
    whole = f"{glob}**" if glob.endswith("/") else glob
    return [part for part in whole.split("/") if part not in ("", ".")]


def _name(name: str) -> str:
    wild = {"*": "[^/]*", "?": "[^/]"}
    return "".join(wild.get(character) or re.escape(character) for character in name)


def project_allowances(paths: Sequence[str]) -> list[Allowance]:
    """Return what the project allows; ConfigurationError with every fault of its settings.

    The project is that of the working directory, if the paths are there, or else that of the
    folder that they share. The nearest table upwards counts, up to the repository's top.
    """
    start = Path(_start(paths))
    for folder in (start, *start.parents):
        table = _table(folder / _FILE)
        if table is not None:
            return _read(table, str(folder))
        if os.path.lexists(folder / ".git"):
            break
    return []


def _start(paths: Sequence[str]) -> str:
    here = os.path.realpath(os.curdir)
    real = [os.path.realpath(path) for path in paths]
    if os.path.commonpath([here, *real]) == here:
        return here
    folder = os.path.commonpath(real)
    return folder if os.path.isdir(folder) else os.path.dirname(folder)


def _table(path: Path) -> Any:
    try:
        found: Any = tomllib.loads(path.read_bytes().decode())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not TOML"
        message = f"{path} cannot be read ({why}); fix it, for it may say what is allowed."
        raise ConfigurationError(message) from None
    for name in _TABLE:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _read(table: Any, folder: str) -> list[Allowance]:
    origin = os.path.join(folder, _FILE)
    if not isinstance(table, Mapping):
        raise bad_settings([(origin, f"{'.'.join(_TABLE)} is not a table")])
    found, faults = allowances(table.get("allow", {}), folder, origin)
    faults += ((origin, f"{str(key)!r} is not a setting") for key in table if key != "allow")
    if faults:
        raise bad_settings(faults)
    return found


def bad_settings(faults: Sequence[tuple[str, str]]) -> ConfigurationError:
    """Return the error for allow-lists that say what cannot be or does not help."""
    lines = "".join(f"\n  {origin}: {fault}" for origin, fault in faults)
    message = f"What is allowed by path is wrong; correct or remove these entries:{lines}."
    return ConfigurationError(message, faults=tuple(faults))
