"""A bot in a process of its own, which asks once and prints what it is told.

Its argument is a JSON list: routing file, ledger's URL, API base, bot, amount.
"""

from __future__ import annotations

import json
import sys

import stripe

from stripe_billing_router.client import BillingRouter
from stripe_billing_router.errors import BillingError
from stripe_billing_router.sandbox import SANDBOX_SECRET_KEY


def main() -> None:
    """Recover, as every router does when it starts, then ask."""
    config, ledger_url, api_base, bot, amount = json.loads(sys.argv[1])
    stripe.enable_telemetry = False
    router = BillingRouter(
        config,
        secret_key=SANDBOX_SECRET_KEY,
        ledger_url=ledger_url,
        api_base=api_base,
        environ={},
    )
    try:
        print(router.recover_operations())
        print(router.charge(bot, amount).state)
    except BillingError as error:
        print(type(error).__name__, error.operation_id)
    finally:
        router.close()


if __name__ == "__main__":
    main()
