"""Stripe for benchmarks: the sandbox in a process of its own, on the loopback interface."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from stripe_billing_router.master_account import STRIPE_MASTER_ACCOUNT_ID
from stripe_billing_router.sandbox import HttpRequest, HttpResponse, World
from stripe_billing_router.sandbox.server import SandboxServer, real_time_world
from stripe_billing_router.testing import furnish

CUSTOMER, CARD, PRICE, RECURRING = "cus_bench", "pm_bench", "price_bench", "price_monthly"
ROUTE = {
    "product_id": "prod_bench",
    "price_id": PRICE,
    "customer_id": CUSTOMER,
    "payment_method_id": CARD,
    "currency": "usd",
}


@contextmanager
def serving(latency: float = 0.0) -> Iterator[str]:
    """Yield the address of a new server, which answers after `latency` seconds."""
    command = [sys.executable, "-m", "benchmarks.stripe_server", str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


class _Slow(SandboxServer):
    """Answers as late as a network would let it; each connection waits for itself."""

    def __init__(self, world: World, latency: float) -> None:
        super().__init__(world)
        answer = world.handle

        def late(request: HttpRequest) -> HttpResponse:
            time.sleep(latency)
            return answer(request)

        if latency:
            world.handle = late  # type: ignore[method-assign]


def main() -> None:
    """Serve until the process is ended."""
    world = real_time_world(account_id=STRIPE_MASTER_ACCOUNT_ID)
    furnish(world, ROUTE)
    world.add_price(RECURRING, product="prod_bench", unit_amount=500, interval="month")
    server = _Slow(world, float(sys.argv[1]))
    print(server.api_base, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
