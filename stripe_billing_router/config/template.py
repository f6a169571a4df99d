"""The example files that come with the package."""

from __future__ import annotations

from importlib.resources import files

from .instructions import INSTRUCTIONS_FILE
from .locations import FILE_NAMES, FOLDER

TEMPLATE_PATH = f"{FOLDER}/{FILE_NAMES[0]}"
"""Where the example goes, below a project's folder."""

INSTRUCTIONS_PATH = f"{FOLDER}/{INSTRUCTIONS_FILE}"
"""Where the billing instructions go, below a project's folder."""

WATCHDOG_PATH = f"{FOLDER}/stripe_watchdog.yaml"
"""Where the watchdog's example goes."""


def template() -> str:
    """Return the text of the example routing file; it works as it is with the sandbox."""
    return _text(FILE_NAMES[0])


def instructions_template() -> str:
    """Return the text of the billing instructions that a project begins with."""
    return _text(INSTRUCTIONS_FILE)


def watchdog_template() -> str:
    """Return the text of the watchdog's example; it works as it is with the example routes."""
    return _text("stripe_watchdog.yaml")


def _text(name: str) -> str:
    return files(__package__).joinpath("templates", name).read_text(encoding="utf-8")
