"""The project's settings for the lint: `[tool.stripe_billing_router.usage]` of pyproject.toml."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..errors import ConfigurationError
from .allowances import Allowance, allowances

_FILE: Final = "pyproject.toml"
_TABLE: Final = ("tool", "stripe_billing_router", "usage")
_KNOWN: Final = frozenset({"allow"})


def project_allowances(paths: Sequence[str]) -> list[Allowance]:
    """Return what the project allows; ConfigurationError with every fault of its settings.

    The project is that of the working directory, if the paths are there, or else that of the
    folder that they share. The nearest table upwards counts, up to the repository's top.
    """
    folder = _start(paths)
    while True:
        table = _table(os.path.join(folder, _FILE))
        if table is not None:
            return _read(table, folder)
        above = os.path.dirname(folder)
        if above == folder or os.path.lexists(os.path.join(folder, ".git")):
            return []
        folder = above


def _start(paths: Sequence[str]) -> str:
    here = os.path.realpath(os.curdir)
    real = [os.path.realpath(path) for path in paths]
    shared = os.path.commonpath([here, *real])
    if shared == here:
        return here
    folder = os.path.commonpath(real)
    return folder if os.path.isdir(folder) else os.path.dirname(folder)


def _table(path: str) -> Any:
    try:
        with open(path, "rb") as file:
            found: Any = tomllib.load(file)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not TOML"
        message = f"{path} cannot be read ({why}); mend it, for it may say what is allowed."
        raise ConfigurationError(message) from None
    for name in _TABLE:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _read(table: Any, folder: str) -> list[Allowance]:
    origin = os.path.join(folder, _FILE)
    if not isinstance(table, Mapping):
        raise bad_settings([(origin, f"{'.'.join(_TABLE)} is not a table")])
    found, faults = allowances(table.get("allow", {}), folder, origin)
    faults += ((origin, f"{str(key)!r} is not a setting") for key in table if key not in _KNOWN)
    if faults:
        raise bad_settings(faults)
    return found


def bad_settings(faults: Sequence[tuple[str, str]]) -> ConfigurationError:
    """Return the error for allow-lists that say what cannot be or does not help."""
    lines = "".join(f"\n  {origin}: {fault}" for origin, fault in faults)
    message = f"What is allowed by path is wrong; correct or remove these entries:{lines}."
    return ConfigurationError(message, faults=tuple(faults))
