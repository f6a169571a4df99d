"""The SDK's HTTP clients, and ours, over one kept connection each.

    python -m benchmarks.http_clients

Clients whose library is not installed are left out.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import stripe

from benchmarks.harness import Figure, medians, ratio, tell
from benchmarks.stripe_server import serving
from stripe_billing_router.providers.stripe.gateway import API_VERSION
from stripe_billing_router.providers.stripe.transport import KeptConnections
from stripe_billing_router.sandbox import SANDBOX_SECRET_KEY


def figures(rounds: int = 200) -> Iterator[Figure]:
    """Yield what a request takes with each client, as a ratio to the SDK's default."""
    with serving() as api_base:
        clients = _clients(api_base)
        sides = {name: _customer(client, api_base) for name, client in clients.items()}
        took = medians(sides, rounds)
    for name in sides:
        if name != "requests":
            yield ratio(f"HTTP client: {name}, to the SDK's default", took, name, "requests")


def _clients(api_base: str) -> dict[str, stripe.HTTPClient]:
    ours = KeptConnections(api_base, connect=10, answer=30, loopback=True)
    found: dict[str, stripe.HTTPClient] = {"requests": stripe.RequestsClient(), "ours": ours}
    others: dict[str, Callable[[], stripe.HTTPClient]] = {
        "httpx": lambda: stripe.HTTPXClient(allow_sync_methods=True),
        "pycurl": stripe.PycurlClient,
        "urllib": stripe.UrllibClient,
    }
    for name, make in others.items():
        try:
            found[name] = make()
        except (ImportError, AttributeError):
            continue
    return found


def _customer(client: stripe.HTTPClient, api_base: str) -> Callable[[], object]:
    """Return a request that is sent and whose answer is read, but not made into objects."""
    sdk = stripe.StripeClient(
        SANDBOX_SECRET_KEY, base_addresses={"api": api_base}, http_client=client
    )
    more = {"stripe_version": API_VERSION, "email": "a@b.example", "name": "Somebody"}

    def ask() -> object:
        key = uuid.uuid4().hex
        return sdk.raw_request("post", "/v1/customers", idempotency_key=key, **more)

    return ask


if __name__ == "__main__":
    tell(figures())
