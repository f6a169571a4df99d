"""Which routing file is in force, and the folder where relative paths start."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from ..errors import ConfigurationError
from .faults import plain_path

FOLDER: Final = "config"
FILE_NAMES: Final = tuple(f"stripe_billing_router.{suffix}" for suffix in ("yaml", "yml", "json"))


def absolute(path: str | os.PathLike[str], start: Path) -> Path:
    """Return `path` from `start`; `~` is the user's folder.

    Symbolic links stay as they are, since a mounted file may be a link to somewhere else.
    """
    try:
        return Path(os.path.normpath(start / Path(path).expanduser()))
    except RuntimeError:
        return Path(os.path.normpath(start / path))


def find_routing_file(start: Path) -> Path:
    """Return the routing file of `start` or the nearest folder above; else ConfigurationError."""
    for folder in (start, *start.parents):
        found = [path for name in FILE_NAMES if (path := folder / FOLDER / name).is_file()]
        if len(found) > 1:
            raise ConfigurationError(
                f"{plain_path(found[0])} and {found[1].name} are both there; remove one, or set "
                "STRIPE_ROUTING_CONFIG."
            )
        if found:
            return found[0]
    raise ConfigurationError(
        f"There is no {FOLDER}/{FILE_NAMES[0]} in {plain_path(start)} or above; run "
        "`stripe-billing-router init` in your project's folder, or set STRIPE_ROUTING_CONFIG."
    )


def home_of(routing_file: Path) -> Path:
    """Return the folder above the file's `config/`, else the file's own folder."""
    folder = routing_file.parent
    return folder.parent if folder.name == FOLDER else folder
