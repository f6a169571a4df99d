"""Sends requests through the Stripe SDK and says what came back, without ever raising for it."""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from typing import Any

import stripe

from ...locks import LATE_IMPORTS, ForkSafeLock
from ...ports import Reply, Request
from ...redaction import redact
from .replies import from_error, from_exception, from_response
from .transport import KeptConnections

API_VERSION = "2026-10-28.endive"
"""The Stripe API version this library is written against; sent with every request."""

_STRIPE = "https://api.stripe.com"
_CONNECT_TIMEOUT = 10.0
_KEPT_CLIENTS = 16


def _client_type() -> type[stripe.StripeClient]:
    """Load what the SDK would load, and look up, at its first request."""
    with LATE_IMPORTS:
        platform.platform()
        with suppress(ImportError):
            import_module("stripe._telemetry_id")
        return stripe.StripeClient


class StripeGateway:
    """Implements `ports.Transport` over `stripe.StripeClient`.

    `http_client` replaces the SDK's own (the sandbox does so). `http_timeout` is in seconds.
    """

    def __init__(
        self,
        *,
        api_base: str,
        http_timeout: float,
        http_client: stripe.HTTPClient | None = None,
    ) -> None:
        self.api_base = api_base
        self.api_version = API_VERSION
        self._connect_timeout = min(_CONNECT_TIMEOUT, http_timeout)
        self._answer_timeout = http_timeout
        self._given = http_client
        self._lock = ForkSafeLock()
        self._pid = -1
        self._http: DiscreetClient | None = None
        self._clients: dict[str, stripe.StripeClient] = {}
        keep_secrets_out()

    @property
    def longest_send(self) -> float:
        return self._connect_timeout + self._answer_timeout

    def send(self, request: Request) -> Reply:
        try:
            response = self._client(request.secret_key).raw_request(
                request.method, request.path, **request.params, **_options(request)
            )
        except stripe.APIConnectionError as error:
            return self._explained(from_exception(error))
        except stripe.StripeError as error:
            return from_error(error)
        except Exception as error:  # noqa: BLE001 - whatever broke, the request may have been sent
            return self._explained(from_exception(error))
        return from_response(response, request.expects)

    def _explained(self, reply: Reply) -> Reply:
        if reply.kind != "not_sent" or self.api_base == _STRIPE:
            return reply
        where = f"to {self.api_base}, where STRIPE_API_BASE has the sandbox"
        note = f"{reply.note} {where}; start it with `stripe-billing-router sandbox`"
        return replace(reply, note=note)

    def close(self) -> None:
        with self._lock:
            http, self._http = self._http, None
            self._clients.clear()
            self._pid = -1
        if http is not None and self._given is None:
            http.close()

    def _client(self, secret_key: str) -> stripe.StripeClient:
        # Looked at before, and again with the lock: another thread may close, or start afresh.
        client = self._clients.get(secret_key) if self._pid == os.getpid() else None
        return client if client is not None else self._new_client(secret_key)

    def _start_afresh(self) -> None:
        """A forked child must not share its parent's connections."""
        self._clients = {}
        self._http = DiscreetClient(self._given or self._own_client())
        self._pid = os.getpid()

    def _own_client(self) -> KeptConnections:
        return KeptConnections(
            self.api_base,
            connect=self._connect_timeout,
            answer=self._answer_timeout,
            loopback=self.api_base != _STRIPE,
        )

    def _new_client(self, secret_key: str) -> stripe.StripeClient:
        with self._lock:
            if self._pid != os.getpid():
                self._start_afresh()
            if len(self._clients) >= _KEPT_CLIENTS:
                self._clients.clear()
            client = _client_type()(
                secret_key,
                base_addresses={"api": self.api_base},
                stripe_version=self.api_version,
                max_network_retries=0,
                http_client=self._http,
            )
            self._clients[secret_key] = client
            return client


def _options(request: Request) -> dict[str, Any]:
    options: dict[str, Any] = {"stripe_version": request.api_version}
    if request.idempotency_key is not None:
        options["idempotency_key"] = request.idempotency_key
    return options


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
