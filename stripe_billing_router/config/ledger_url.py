"""The ledger's URL: a relative SQLite path gets its one place, whatever the working directory."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from .locations import absolute

DEFAULT: Final = "sqlite:///finance_logs/stripe_ledger.db"

_URL: Final = re.compile(
    r"(?P<scheme>[a-z]+)(?:\+[a-z0-9_]+)?://(?P<rest>.*)", re.ASCII | re.DOTALL
)
_DATABASES: Final = ("sqlite", "postgresql", "mysql", "mariadb")


def placed(url: str, home: Path) -> tuple[str, str | None]:
    """Return `(url with an absolute path, None)` or `(url, what is wrong)`; shows no password."""
    found = _URL.fullmatch(url)
    if found is None or found["scheme"] not in _DATABASES:
        return url, (
            f"is not a database URL; begin with one of {', '.join(f'{d}://' for d in _DATABASES)}"
        )
    if found["scheme"] != "sqlite":
        return url, None
    path, mark, query = found["rest"].partition("?")
    if wrong := _wrong_path(path):
        return url, wrong
    scheme = url.partition("://")[0]
    return f"{scheme}:///{absolute(path[1:], home)}{mark}{query}", None


def _wrong_path(path: str) -> str | None:
    if path in ("", "/") or ":memory:" in path:
        return "is an in-memory database, which forgets every payment; name a file"
    if not path.startswith("/"):
        return "names a host, which SQLite does not have; write sqlite:///path/to/file.db"
    if path.startswith("/file:"):
        return "is an SQLite file URI; write sqlite:///path/to/file.db"
    if not path.isprintable() or path.endswith("/"):
        return "does not name a file; write sqlite:///path/to/file.db"
    return None
