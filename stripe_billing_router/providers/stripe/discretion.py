"""Keeps client secrets out of what the SDK logs, to loggers and to the console alike."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

import stripe

from ...redaction import redact

_SDK = logging.getLogger("stripe")


def _is_logged() -> bool:
    return _SDK.isEnabledFor(logging.DEBUG) or bool(stripe.log or os.environ.get("STRIPE_LOG"))


class _Text(str):
    """A body that reads as it is and shows itself without secrets.

    The SDK makes a line of its log from every body, also where nobody keeps a log.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return redact(super().__repr__()) if _is_logged() else "'[not logged]'"

    def __str__(self) -> str:
        return redact(super().__str__())

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)


class _Bytes(bytes):
    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return _Text(super().decode(encoding, errors))


class DiscreetClient(stripe.HTTPClient):
    """Passes requests on to another client; what comes back shows itself without secrets."""

    name = "discreet"

    def __init__(self, inner: stripe.HTTPClient) -> None:
        super().__init__()
        self._inner = inner

    def request(  # type: ignore[override]  # the SDK's own clients narrow it likewise
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None
    ) -> tuple[Any, int, Mapping[str, str]]:
        body, status, answered = self._inner.request(method, url, headers, post_data)
        # The SDK declares text; most of its clients, and all of ours, give bytes.
        content: Any = body
        return _Bytes(content) if isinstance(content, bytes) else content, status, answered

    def request_with_retries(  # type: ignore[override]
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        post_data: Any = None,
        **_retries: Any,
    ) -> tuple[Any, int, Mapping[str, str]]:
        """Send once: to repeat is for who holds the operation. Nor is Stripe told how long the
        request before took, which the SDK would add."""
        return self.request(method, url, headers, post_data)

    def close(self) -> None:
        self._inner.close()  # type: ignore[no-untyped-call]


class _Redacting(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = redact(record.getMessage())
        record.args = None
        return True


_FILTER = _Redacting()


def keep_secrets_out() -> None:
    """Redact what the loggers of SDK and HTTP library say."""
    for name in ("stripe", "urllib3.connectionpool"):
        logging.getLogger(name).addFilter(_FILTER)
