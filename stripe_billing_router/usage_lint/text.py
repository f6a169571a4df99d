"""The rules that hold for any text: raw keys everywhere, and API bases where programs read them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from . import messages
from .findings import API_HOST, RAW_KEY, Hit
from .hosts import hosts_in_bytes
from .keys import keys_in_bytes
from .places import Places, decoded

_UNCLOSED: Final = r"/\*(?!.*\*/)|<!--(?!.*-->)"
_COMMENT: Final = re.compile(rf"(?:^|\s)#|^\s*(?:;|//|--\s|rem\s)|{_UNCLOSED}", re.IGNORECASE)
_COMMENT_BY_SLASHES: Final = re.compile(rf"(?:^|\s)//|^\s+\*\s|{_UNCLOSED}")
# A page that uses Stripe.js has to name the API's host in its content security policy.
_PAGE_POLICY: Final = re.compile(
    r"connect-src|content-security-policy|preconnect|dns-prefetch", re.IGNORECASE
)
_SCHEME: Final = re.compile(r"://(?:[^\s/@\"']*@)?(?:[\w-]+\.)*$", re.ASCII)
_SETTING: Final = re.compile(
    r"(?:base|url|uri|host|endpoint|server|api)(?:[_.-]\w+)*[\"']?\s*(?:[:=]|=>|:=)\s*[\"']?$",
    re.IGNORECASE | re.ASCII,
)
_PATH: Final = re.compile(r"(?::\d+)?/(?:v[12]|oauth)\b", re.ASCII)
_OUR_SETTING: Final = re.compile(
    r"\bSTRIPE_API_BASE[\"']?(?:\s*[:=]|,?\s+[\"']?value[\"']?\s*:)\s*[\"']?https://$", re.ASCII
)
_END_OF_BASE: Final = re.compile(r"/?(?:[\"'\s,}#;]|$)")


def raw_keys(data: bytes) -> Iterator[Hit]:
    """Yield the raw keys of a text."""
    places = Places(data)
    for key in keys_in_bytes(data):
        line, column = places.place(key.start)
        yield Hit(line, column, RAW_KEY, messages.raw_key(key.kind), line)


def api_bases(data: bytes, *, slashes: bool = False) -> Iterator[Hit]:
    """Yield the places where a text that programs read has an API's base, not just its name.

    `slashes` says that the text's comments begin with two slashes, and not with `#`.
    """
    places = Places(data)
    comment = _COMMENT_BY_SLASHES if slashes else _COMMENT
    for match in hosts_in_bytes(data):
        if not comment.search(places.before(match.start())) and _is_base(places, match):
            line, column = places.place(match.start())
            message = messages.api_host(decoded(match["host"]).lower())
            yield Hit(line, column, API_HOST, message, line)


def _is_base(places: Places, match: re.Match[bytes]) -> bool:
    before, after = places.before(match.start()), places.after(match.end())
    if _PAGE_POLICY.search(before + after) or _is_our_setting(places, match):
        return False
    return bool(_SCHEME.search(before) or _SETTING.search(before) or _PATH.match(after))


def _is_our_setting(places: Places, match: re.Match[bytes]) -> bool:
    """The router's own setting, with its usual value, is where the router finds Stripe."""
    return (
        match["host"] == b"api.stripe.com"
        and _OUR_SETTING.search(places.preceding(match.start())) is not None
        and _END_OF_BASE.match(places.after(match.end())) is not None
    )
