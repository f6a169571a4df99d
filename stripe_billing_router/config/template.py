"""The example routing file that comes with the package."""

from __future__ import annotations

from importlib.resources import files

from .locations import FILE_NAMES, FOLDER

TEMPLATE_PATH = f"{FOLDER}/{FILE_NAMES[0]}"
"""Where the example goes, below a project's folder."""


def template() -> str:
    """Return the text of the example routing file; it works as it is with the sandbox."""
    return files(__package__).joinpath("templates", FILE_NAMES[0]).read_text(encoding="utf-8")
