"""What goes over the wire, and the ways in which a wire fails. No sockets here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field
from email.utils import formatdate
from typing import Any, Literal, TypeVar, cast
from urllib.parse import unquote, urlsplit

from ..frozen import frozen

Json = dict[str, Any]
"""A JSON object."""


_T = TypeVar("_T")


def copied(value: _T) -> _T:
    """Return a deep copy of JSON-like data."""
    copy: Any = _copy(value)
    return cast("_T", copy)


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copy(child) for name, child in value.items()}
    if isinstance(value, list):
        return [_copy(child) for child in value]
    return value


def envelope(url: str, data: list[Json], has_more: bool = False) -> Json:
    """Return a list object."""
    return {"object": "list", "data": data, "has_more": has_more, "url": url}


@frozen
class HttpRequest:
    """One request as it arrives. `path` starts with `/v1`; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    query: str = ""
    body: bytes = b""

    @classmethod
    def to(
        cls, method: str, url: str, headers: Mapping[str, str], body: str | bytes | None = None
    ) -> HttpRequest:
        """Build one from a URL, or a request line's target, under any base path."""
        parts = urlsplit(url)
        text = body.encode() if isinstance(body, str) else body or b""
        lower = {name.lower(): str(value) for name, value in headers.items()}
        return cls(method.upper(), _without_base(unquote(parts.path)), lower, parts.query, text)

    @property
    def form(self) -> str:
        """The parameters as one form-encoded string."""
        text = self.body.decode("utf-8", "replace")
        return "&".join(part for part in (self.query, text) if part)


def _without_base(path: str) -> str:
    start = path.find("/v1/")
    return path[start:] if start >= 0 else path


@frozen
class HttpResponse:
    """One response. Header names are written as Stripe writes them."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the parsed body; ValueError if it is not JSON."""
        return json.loads(self.body)


def http_date(now_ms: int) -> str:
    """Return a `Date` header for milliseconds since the epoch."""
    return formatdate(now_ms / 1000, usegmt=True)


WireFailure = Literal["refused", "connect_timeout", "timeout", "cut", "broken_body"]


class WireFault(Exception):
    """No response came back.

    `kind`: `refused` and `connect_timeout` (never sent), `timeout` (sent, no answer in time),
    `cut` (sent, connection closed), `broken_body` (status and headers came, the body broke off).
    """

    def __init__(self, kind: WireFailure) -> None:
        super().__init__(kind)
        self.kind = kind
