"""Sends requests through the Stripe SDK and says what came back, without ever raising for it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import stripe

from ..locks import ForkSafeLock
from ..ports import Reply, Request
from .discretion import DiscreetClient, keep_secrets_out
from .replies import from_error, from_exception, from_response

API_VERSION = "2026-10-28.endive"
"""The Stripe API version this library is written against; sent with every request."""

_STRIPE = "https://api.stripe.com"
_CONNECT_TIMEOUT = 10.0
_KEPT_CLIENTS = 16


class StripeGateway:
    """Implements `ports.PaymentProvider` over `stripe.StripeClient`.

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
        self._timeout = (min(_CONNECT_TIMEOUT, http_timeout), http_timeout)
        self._given = http_client
        self._lock = ForkSafeLock()
        self._pid = -1
        self._http: DiscreetClient | None = None
        self._clients: dict[str, stripe.StripeClient] = {}
        keep_secrets_out()

    @property
    def longest_send(self) -> float:
        return sum(self._timeout)

    def send(self, request: Request) -> Reply:
        try:
            response = self._client(request.secret_key).raw_request(
                request.method, request.path, **request.params, **_options(request)
            )
        except stripe.APIConnectionError as error:
            return from_exception(error)
        except stripe.StripeError as error:
            return from_error(error)
        except Exception as error:  # noqa: BLE001 - whatever broke, the request may have been sent
            return from_exception(error)
        return from_response(response, request.expects)

    def close(self) -> None:
        with self._lock:
            http, self._http = self._http, None
            self._clients.clear()
            self._pid = -1
        if http is not None and self._given is None:
            http.close()

    def _client(self, secret_key: str) -> stripe.StripeClient:
        if self._pid != os.getpid():
            self._start_afresh()
        client = self._clients.get(secret_key)
        return client if client is not None else self._new_client(secret_key)

    def _start_afresh(self) -> None:
        """A forked child must not share its parent's connections."""
        self._clients = {}
        self._http = DiscreetClient(
            self._given or _Requests(self._timeout, loopback=self.api_base != _STRIPE)
        )
        self._pid = os.getpid()

    def _new_client(self, secret_key: str) -> stripe.StripeClient:
        with self._lock:
            if len(self._clients) >= _KEPT_CLIENTS:
                self._clients.clear()
            client = stripe.StripeClient(
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


class _Requests(stripe.RequestsClient):
    """The SDK's client. Each thread's session ignores `.netrc`, which would replace the key, and,
    where Stripe is on this machine, the environment's proxies, which would get to see it."""

    def __init__(self, timeout: tuple[float, float], loopback: bool) -> None:
        super().__init__(timeout=timeout)
        self._loopback = loopback

    def _request_internal(self, *args: Any, **kwargs: Any) -> Any:
        if getattr(self._thread_local, "session", None) is None:
            session = self.requests.Session()
            session.auth = _unchanged
            session.trust_env = not self._loopback
            session.max_redirects = 0
            self._thread_local.session = session
        return super()._request_internal(*args, **kwargs)


_unchanged: Callable[[Any], Any] = lambda prepared: prepared  # noqa: E731
