"""The hosts of Stripe's API. Its documentation, dashboard, status and payment pages are none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_HOSTS: Final = r"(?:api|files|connect|meter-events|uploads)\.stripe\.com"
_HOST: Final = rf"(?<![A-Za-z0-9_-])(?P<host>{_HOSTS})(?!\.?[A-Za-z0-9_-])"

# In code, a name that is filled in later is one of the API's where a version follows.
UNKNOWN: Final = "\0"
_FILLED_IN: Final = rf"(?:{UNKNOWN}|\{{\w*\}}|%s)\.stripe\.com/v[12](?![0-9])"

HOST: Final = re.compile(_HOST, re.IGNORECASE | re.ASCII)
_IN_CODE: Final = re.compile(f"{_HOST}|{_FILLED_IN}", re.IGNORECASE | re.ASCII)
_IN_BYTES: Final = re.compile(_HOST.encode(), re.IGNORECASE)

THE_BASE: Final = re.compile(r"https://api\.stripe\.com/?", re.ASCII)
"""What the router's own setting may say: it is no use of Stripe, but where the router finds it."""


def hosts_in_code(text: str) -> Iterator[re.Match[str]]:
    """Yield the API's hosts in a string of a program; `UNKNOWN` stands for what is filled in."""
    return _IN_CODE.finditer(text) if ".com" in text.lower() else iter(())


def hosts_in_bytes(data: bytes) -> Iterator[re.Match[bytes]]:
    """Yield the API's hosts in a file's bytes."""
    return _IN_BYTES.finditer(data)


def host_name(match: re.Match[str]) -> str:
    """Return the host that was found, as a message may show it."""
    return (match["host"] or "*.stripe.com").lower()
