"""Where requests may go: Stripe itself, or this very machine."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Final

STRIPE: Final = "https://api.stripe.com"

# The whole text is matched instead of being parsed: parsers disagree about what a host is, and
# `http://127.0.0.1@evil.com` lives on that.
_LOOPBACK: Final = re.compile(
    r"https?://(?:localhost|(?P<v4>127(?:\.[0-9]{1,3}){3})|\[::1\])(?::(?P<port>[0-9]{1,5}))?",
    re.ASCII,
)


def wrong_api_base(text: str) -> str | None:
    """Return what is wrong with an API base; None for Stripe's own and for loopback addresses."""
    if text == STRIPE:
        return None
    found = _LOOPBACK.fullmatch(text)
    if found is None or not _possible(found["v4"], found["port"]):
        return (
            f"is neither {STRIPE} nor a loopback address such as http://127.0.0.1:12111; "
            "requests carry the key, so they go nowhere else"
        )
    return None


def _possible(address: str | None, port: str | None) -> bool:
    try:
        return (address is None or ip_address(address).is_loopback) and (
            port is None or 0 < int(port) < 65_536
        )
    except ValueError:
        return False
