"""How many requests to Stripe each verb makes once key, card and prices are known.

python -m benchmarks.requests_per_verb
"""

from __future__ import annotations

import json
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from benchmarks.harness import Figure, Promise, tell
from benchmarks.stripe_server import PRICE, RECURRING, ROUTE
from stripe_billing_router import BillingRouter
from stripe_billing_router.testing import sandbox

BOT = "bench:bot"
PROMISED = {
    "charge by amount": 1,
    "charge by price": 4,
    "refund": 1,
    "create_subscription": 1,
    "create_checkout_session": 1,
    "create_customer": 1,
    "get_balance": 1,
}


def figures() -> Iterator[Figure]:
    """Yield the requests of each verb when it is called for the second time."""
    for verb, number in counted().items():
        promise = Promise("at most", PROMISED[verb])
        yield Figure(f"requests: {verb}", number, "requests", promise=promise)


def counted() -> dict[str, int]:
    """Return the requests of each verb when it is called for the second time."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "routing.json")
        config.write_text(json.dumps({"stripe": {"default": {"bench": {"bot": ROUTE}}}}))
        with sandbox(config) as box:
            box.world.add_price(RECURRING, product="prod_bench", unit_amount=500, interval="month")
            found = {}
            for verb, call in _calls(box.router).items():
                call()
                before = len(box.world.requests)
                call()
                found[verb] = len(box.world.requests) - before
            return found


def _calls(router: BillingRouter) -> Mapping[str, Callable[[], object]]:
    paid = router.charge(BOT, 50)
    items = [{"price": PRICE, "quantity": 1}]
    return {
        "charge by amount": lambda: router.charge(BOT, 5),
        "charge by price": lambda: router.charge(BOT, price_id=PRICE),
        "refund": lambda: router.refund(BOT, paid.id, amount=1),
        "create_subscription": lambda: router.create_subscription(BOT, price_id=RECURRING),
        "create_checkout_session": lambda: router.create_checkout_session(
            BOT, items, success_url="https://example.com/", idempotency_key=uuid.uuid4().hex
        ),
        "create_customer": lambda: router.create_customer(BOT, {"email": "a@b.example"}),
        "get_balance": lambda: router.get_balance(BOT),
    }


if __name__ == "__main__":
    tell(figures())
