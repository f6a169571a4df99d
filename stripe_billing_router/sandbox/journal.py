"""A record of every request that reached the sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .wire import Json


@dataclass(slots=True)
class RecordedRequest:
    """One request that arrived, and what became of it.

    `params`: parsed, leaves are strings. `headers`: names in lower case. `status`: of the
    response, None while it runs or if none came back. `executed`: the endpoint's code ran.
    `replayed`: the stored response of an earlier request was returned. `fault`: the kind of the
    fault that struck. `at_ms`: virtual time of arrival, milliseconds since the epoch.
    """

    method: str
    path: str
    params: Json
    headers: Mapping[str, str] = field(repr=False)
    api_key: str | None = field(repr=False)
    idempotency_key: str | None
    request_id: str
    at_ms: int
    status: int | None = None
    executed: bool = False
    replayed: bool = False
    fault: str | None = None
