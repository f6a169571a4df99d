"""Faults on demand: what can go wrong between a caller and Stripe, one small object for each.

A fault strikes the next request that it matches. With `effect=True` the request is executed, and
stored under its idempotency key, before things go wrong; without, it never reaches Stripe's code.
"""

from __future__ import annotations

import fnmatch
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from ..frozen import frozen
from .journal import RecordedRequest

FaultKind = Literal[
    "refused",
    "connect_timeout",
    "cut",
    "timeout",
    "broken_body",
    "truncated",
    "server_error",
    "unavailable",
    "lock_timeout",
    "key_in_use",
    "rate_limited",
    "proxy_page",
    "latency",
    "headers",
    "call",
]

NEVER_EXECUTED = frozenset(
    {"refused", "connect_timeout", "rate_limited", "key_in_use", "lock_timeout"}
)
ALWAYS_EXECUTED = frozenset({"truncated", "broken_body", "headers", "latency"})


@frozen
class Fault:
    """One thing that goes wrong.

    `kind`:
      - `refused`, `connect_timeout`: no connection; nothing is sent or recorded
      - `cut`: the connection closes before a response; `timeout`: none comes in time
      - `broken_body`: the response breaks off within its body (always after the effect)
      - `truncated`: a 200 with half its JSON (always after the effect)
      - `server_error` (500), `unavailable` (503): Stripe's JSON; a `server_error` with effect is
        stored under the idempotency key and replayed
      - `key_in_use` (409), `rate_limited` (429), `lock_timeout` (429, `Stripe-Should-Retry: true`)
      - `proxy_page`: HTML of somebody else (502)
      - `latency`: nothing but `seconds`; `headers`: nothing but `headers` on a good response
      - `call`: runs `call()`, before the effect or, with `effect`, after it; what it raises goes
        to the sender of the request

    `match`: a glob over `"METHOD /path"` such as `"POST /v1/payment_intents*"`, a function of the
    request, or None for every request. `times`: how often it strikes (None: always), after
    letting `skip` matching requests pass. `status` replaces the kind's own. `retry_after` in
    seconds. `reason` is sent as `Stripe-Rate-Limited-Reason`. `should_retry` is sent as
    `Stripe-Should-Retry` instead of what the kind would say. `seconds` go by before the effect: on
    the world's clock, or really if `real_time`; meanwhile the idempotency key is in use.
    """

    kind: FaultKind
    match: str | Callable[[RecordedRequest], bool] | None = None
    times: int | None = 1
    skip: int = 0
    effect: bool = False
    status: int | None = None
    retry_after: float | None = None
    reason: str | None = None
    should_retry: bool | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    real_time: bool = False
    call: Callable[[], object] | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(FaultKind):
            kinds = ", ".join(get_args(FaultKind))
            raise ValueError(f"{self.kind!r} is not a kind of fault; there are {kinds}")
        if self.effect and self.kind in NEVER_EXECUTED:
            raise ValueError(f"a {self.kind} fault cannot have an effect")

    @property
    def unreachable(self) -> bool:
        """Whether the request never arrives."""
        return self.kind in ("refused", "connect_timeout")

    @property
    def lets_execute(self) -> bool:
        """Whether the request is handed to Stripe's code."""
        return self.effect or self.kind in ALWAYS_EXECUTED or self.kind == "call"

    def matches(self, request: RecordedRequest) -> bool:
        """Whether this fault is meant for the request."""
        if callable(self.match):
            return self.match(request)
        line = f"{request.method} {request.path}"
        return self.match is None or fnmatch.fnmatchcase(line, self.match)


@dataclass(slots=True)
class _Waiting:
    fault: Fault
    skip: int
    left: int | None


class FaultPlan:
    """The faults that are waiting to strike, in the order in which they were added."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[_Waiting] = []
        self.fired: list[tuple[Fault, str]] = []
        """What struck, with the `"METHOD /path"` that it struck."""

    def add(self, *faults: Fault) -> None:
        """Let these strike, the first of several that match a request first."""
        with self._lock:
            self._waiting += [_Waiting(fault, fault.skip, fault.times) for fault in faults]

    def clear(self) -> None:
        """Forget what has not struck yet."""
        with self._lock:
            self._waiting.clear()

    @property
    def pending(self) -> list[Fault]:
        """The faults that may still strike."""
        with self._lock:
            return [waiting.fault for waiting in self._waiting]

    def take(self, request: RecordedRequest) -> Fault | None:
        """Return the fault that strikes this request, if one does."""
        with self._lock:
            for waiting in self._waiting:
                if waiting.fault.matches(request) and self._strikes(waiting):
                    self.fired.append((waiting.fault, f"{request.method} {request.path}"))
                    return waiting.fault
            return None

    def _strikes(self, waiting: _Waiting) -> bool:
        if waiting.skip > 0:
            waiting.skip -= 1
            return False
        if waiting.left is not None:
            waiting.left -= 1
            if waiting.left == 0:
                self._waiting.remove(waiting)
        return True
