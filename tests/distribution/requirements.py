"""What `pyproject.toml` allows. Run as a script: the oldest of it, as constraints for pip."""

from __future__ import annotations

import tomllib
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


if __name__ == "__main__":
    for needed in requirements():
        print(f"{needed.name}=={oldest(needed)}")
