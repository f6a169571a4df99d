"""Starts processes full of bots that spend from one budget; a process of its own, so that forks
are cheap.

`python spenders.py SETTINGS` reads orders from stdin, one a line, and answers each with the pid of
a child: `<routing file> <threads> <calls> <seed>`. The file is named after the category of its
bots. Some threads die in the middle of a call:
nothing of theirs is sent or written any more. What the bots are told goes into
`<folder>/<pid>.jsonl`, a line at a time.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import stripe

from stripe_billing_router.client import BillingRouter
from stripe_billing_router.engine import leases
from stripe_billing_router.errors import BillingError
from stripe_billing_router.models import Write
from stripe_billing_router.ports import Reply, Request
from stripe_billing_router.providers.stripe.gateway import StripeGateway
from stripe_billing_router.store import SqlStore
from tests.integration.kills.nursery import Notes

NAMES = ("one", "two", "three")
CUSTOMERS = ("cus_0", "cus_1", "cus_2")
_DEATHS = 0.04


class Died(BaseException):
    """This thread ends here."""


class Mortals:
    """Threads of which some die before or after a request of theirs."""

    def __init__(self, seed: int) -> None:
        self._chances = threading.local()
        self._seed = seed
        self._send, self._commit = StripeGateway.send, SqlStore.commit

    def born(self, number: int) -> random.Random:
        self._chances.chance = random.Random(self._seed * 1000 + number)
        self._chances.dead = False
        return random.Random(self._seed * 1000 + number + 500)

    def install(self) -> None:
        mortals, send, store = self, self._send, self._commit

        def mortal_send(self: StripeGateway, request: Request) -> Reply:
            fatal = request.method == "post" and mortals._chances.chance.random() < _DEATHS
            after = mortals._chances.chance.random() < 0.5
            if fatal and not after:
                mortals.die()
            reply = send(self, request)
            if fatal:
                mortals.die()
            return reply

        def mortal_commit(self: SqlStore, *writes: Write) -> None:
            if getattr(mortals._chances, "dead", False):
                raise Died
            store(self, *writes)

        StripeGateway.send = mortal_send  # type: ignore[method-assign]
        SqlStore.commit = mortal_commit  # type: ignore[method-assign]

    def die(self) -> None:
        self._chances.dead = True
        raise Died


def main() -> None:
    settings = json.loads(Path(sys.argv[1]).read_text())
    stripe.enable_telemetry = False
    leases._MARGIN = settings["margin"]
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who are killed
    routers: dict[str, BillingRouter] = {}
    for line in sys.stdin:
        config, *numbers = line.split()
        if config not in routers:
            routers = {config: _checked_router(settings, config)}
        pid = os.fork()
        if pid == 0:
            spend(routers[config], Notes(settings), Path(config).stem, *map(int, numbers))
            os._exit(0)
        print(pid, flush=True)


def spend(
    router: BillingRouter, notes: Notes, category: str, threads: int, calls: int, seed: int
) -> None:
    """Spend with all threads at once."""
    mortals = Mortals(seed)
    mortals.install()
    barrier = threading.Barrier(threads)

    def live(number: int) -> None:
        chance = mortals.born(number)
        barrier.wait()
        with suppress(Died):
            for call in range(calls):
                _ask(router, notes, chance, category, f"{seed}-{number}-{call}")

    lives = [threading.Thread(target=live, args=(number,)) for number in range(threads)]
    for life in lives:
        life.start()
    for life in lives:
        life.join()


def _ask(
    router: BillingRouter, notes: Notes, chance: random.Random, category: str, name: str
) -> None:
    bot, customer = f"{category}:{chance.choice(NAMES)}", chance.choice(CUSTOMERS)
    cents, key = chance.randrange(50, 400), name if chance.random() < 0.5 else None
    try:
        done = router.charge(
            bot,
            f"{cents / 100:.2f}",
            name,
            customer_id=customer,
            payment_method_id=f"pm_of_{customer}",
            idempotency_key=key,
        )
    except BillingError as error:
        notes.write(ask=name, error=type(error).__name__, money=error.money)
    else:
        notes.write(ask=name, minor=done.amount_minor)


def _checked_router(settings: dict[str, Any], config: str) -> BillingRouter:
    """Return a router that has looked up and opened what it needs, to be forked."""
    router = new_router(settings, config)
    router.verify_router()
    router.close()
    return router


def new_router(settings: dict[str, Any], config: str) -> BillingRouter:
    return BillingRouter(
        config,
        secret_key=settings["secret_key"],
        ledger_url=settings["ledger_url"],
        api_base=settings["api_base"],
        environ={},
        recover_at_start=False,
    )


if __name__ == "__main__":
    main()
