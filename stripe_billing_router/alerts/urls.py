"""Where alerts are sent to. The addresses hold tokens: nothing shows them."""

from __future__ import annotations

import re
from collections.abc import Mapping

_VARIABLE = "STRIPE_ALERT_URLS"

# An address may hold commas of its own; a new one begins with its scheme.
_BETWEEN = re.compile(r"[\s,]+(?=[A-Za-z][A-Za-z0-9+.\-]*://)", re.ASCII)


def alert_urls(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the apprise addresses of STRIPE_ALERT_URLS, which are separated by commas."""
    text = environ.get(_VARIABLE, "").strip(", \t\r\n")
    return tuple(_BETWEEN.split(text)) if text else ()


def scheme(url: str) -> str:
    """Return what may be shown of an address."""
    head, separator, _ = url.partition("://")
    return head if separator else "an address without a scheme"
