"""Starts bots on demand, each a process of its own that charges until somebody kills it.

Run as a script with the path of a JSON file: `config`, `ledger_url`, `api_base`, `secret_key`,
`folder`, `bills` (payments made before) and `margin` (seconds that a lease is longer than a
request). Each line on standard input starts one, and its process id is printed: `anything <seed>`
one that asks for this and that; `keys <threads> <number>` one that asks once for each key.

What a bot asks for and what it is told goes into `<folder>/<pid>.jsonl`, a line at a time.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import stripe

from stripe_billing_router.client import BillingRouter
from stripe_billing_router.engine import leases
from stripe_billing_router.errors import BillingError

BOT = "finance:bot"
KEYS = 300
"""How many things are asked for under a key of their own, by every bot."""

Call = Callable[..., Any]


def main() -> None:
    settings = json.loads(Path(sys.argv[1]).read_text())
    stripe.enable_telemetry = False
    leases._MARGIN = settings["margin"]
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who are killed
    for line in sys.stdin:
        what, *numbers = line.split()
        pid = os.fork()
        if pid == 0:
            LIVES[what](settings, *map(int, numbers))
            os._exit(0)
        print(pid, flush=True)


def ask_for_anything(settings: dict[str, Any], seed: int) -> None:
    """It may recover first, as routers do when they start."""
    chance = random.Random(seed)
    router, notes = new_router(settings), Notes(settings)
    if chance.random() < 0.4:
        router.recover_operations()
    bot = Bot(router, settings["bills"], notes, chance)
    for number in count():
        bot.ask(f"{seed}-{number}")


def ask_for_keys(settings: dict[str, Any], threads: int, keys: int) -> None:
    """Every thread takes the next key; each is asked for once."""
    router, notes, numbers = new_router(settings), Notes(settings), iter(range(keys))
    bot = Bot(router, settings["bills"], notes, random.Random(0))
    taking = threading.Lock()

    def take() -> int | None:
        with taking:
            return next(numbers, None)

    def live() -> None:
        while (number := take()) is not None:
            bot.charge_once(number)

    lives = [threading.Thread(target=live) for _ in range(threads)]
    for life in lives:
        life.start()
    for life in lives:
        life.join()
    router.close()


LIVES: dict[str, Callable[..., None]] = {"anything": ask_for_anything, "keys": ask_for_keys}


def new_router(settings: dict[str, Any]) -> BillingRouter:
    return BillingRouter(
        settings["config"],
        secret_key=settings["secret_key"],
        ledger_url=settings["ledger_url"],
        api_base=settings["api_base"],
        environ={},
        recover_at_start=False,
    )


class Notes:
    """What is written is there even if the process is killed in the next moment."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._file = Path(settings["folder"], f"{os.getpid()}.jsonl").open("a")  # noqa: SIM115
        self._lock = threading.Lock()

    def write(self, **line: Any) -> None:
        with self._lock:
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()


class Bot:
    """Asks for one thing after the other."""

    def __init__(
        self, router: BillingRouter, bills: list[str], notes: Notes, chance: random.Random
    ) -> None:
        self._router = router
        self._bills = bills
        self._notes = notes
        self._chance = chance

    def ask(self, name: str) -> None:
        """Ask for something, and note what was told."""
        self._call(name, *self._chosen(name))

    def charge_once(self, number: int) -> None:
        """Charge something that every bot charges under the same key."""
        charge = partial(self._router.charge, BOT, 5 + number)
        self._call(f"same-{number}", charge, f"same-{number}")

    def _call(self, name: str, call: Call, key: str | None) -> None:
        self._notes.write(ask=name, key=key)
        told: dict[str, Any]
        try:
            result = call(idempotency_key=key)
        except BillingError as error:
            operation_id = error.operation_id
            told = {"error": type(error).__name__, "money": error.money, "text": str(error)}
        else:
            operation_id = result.operation_id
            told = {"state": result.state, "paid": result.paid, "minor": result.amount_minor}
            told["id"] = result.id
        self._notes.write(ask=name, key=key, operation_id=operation_id, **told)

    def _chosen(self, name: str) -> tuple[Call, str | None]:
        """Return a call and its key. What has a key is the same call for every bot; what has none
        is like no other, and is asked for once."""
        if self._chance.random() < 0.35:
            return self._keyless(name), None
        number = self._chance.randrange(KEYS)
        return self._keyed(number), f"key-{number}"

    def _keyed(self, number: int) -> Call:
        router, customer = self._router, f"cus_{number % 3}"
        calls: tuple[Call, ...] = (
            lambda **key: router.charge(BOT, 5 + number, customer_id=customer, **key),
            lambda **key: router.charge(BOT, customer_id=customer, **key),
            lambda **key: router.create_customer(BOT, {"name": f"Customer {number}"}, **key),
            lambda **key: router.refund(BOT, self._bills[number % 2], amount=1, **key),
            lambda **key: router.create_subscription(
                BOT, price_id="price_monthly", customer_id=customer, **key
            ),
        )
        return calls[number % len(calls)]

    def _keyless(self, name: str) -> Call:
        router, customer = self._router, f"cus_{self._chance.randrange(3)}"
        amount: dict[str, Any] = {"amount": 3} if self._chance.random() < 0.6 else {}
        return lambda **key: router.charge(
            BOT, **amount, description=name, customer_id=customer, **key
        )


if __name__ == "__main__":
    main()
