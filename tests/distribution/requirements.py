"""What `pyproject.toml` allows, and what the lock files in `.ci` hold.

Run as a script it prints, as constraints for pip, the lower bounds (`bounds`), or what is locked
for the tests (`locked`) or for those with the oldest libraries (`oldest`); or how the libraries
that are installed differ from what is locked (`drift`).
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
OURS = frozenset({"test", "dev", "docs"})
"""Extras that serve the project itself; users have the others."""


def project() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return found


def requirements() -> list[Requirement]:
    """Return what users install directly, with all of their extras."""
    table = project()
    extras = table["optional-dependencies"].items()
    lists = [table["dependencies"], *(listed for name, listed in extras if name not in OURS)]
    return [Requirement(text) for listed in lists for text in listed]


def oldest(requirement: Requirement) -> str:
    """Return the lowest version that it allows; each has to have one."""
    (lowest,) = [limit.version for limit in requirement.specifier if limit.operator == ">="]
    return lowest


def locked(name: str) -> list[Requirement]:
    """Return what `.ci/NAME.lock` pins: one version each, for each system and Python."""
    lines = (ROOT / f".ci/{name}.lock").read_text().splitlines()
    return [Requirement(line.rstrip(" \\")) for line in lines if line[:1] not in {"#", " "}]


def bounds() -> Iterator[str]:
    """Yield the lower bounds."""
    for needed in requirements():
        yield f"{needed.name}=={oldest(needed)}"


def drift() -> Iterator[str]:
    """Yield where the libraries of this environment are others than the locked ones."""
    for pinned in locked("requirements"):
        if pinned.marker is None or pinned.marker.evaluate():
            try:
                found = version(pinned.name)
            except PackageNotFoundError:
                found = "not installed"
            if not pinned.specifier.contains(found, prereleases=True):
                yield f"{pinned.name}: {pinned.specifier} is locked, {found} is newest"


PRINTED: dict[str, Callable[[], Iterable[object]]] = {
    "bounds": bounds,
    "drift": drift,
    "locked": lambda: locked("requirements"),
    "oldest": lambda: locked("oldest"),
}

if __name__ == "__main__":
    for line in PRINTED[sys.argv[1]]():
        print(line)
