"""A bench for charges: a world, a routing file, a ledger in a file, and wires that can be cut."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import stripe

from stripe_billing_router.client import BillingRouter
from stripe_billing_router.models import Write
from stripe_billing_router.sandbox import (
    SANDBOX_API_BASE,
    SANDBOX_SECRET_KEY,
    Fault,
    SandboxHTTPClient,
    World,
)
from stripe_billing_router.store import SqlStore
from stripe_billing_router.testing import SANDBOX_PUBLIC_KEY

BOT = "finance:bot"
CUSTOMER = "cus_one"
CARD = "pm_one"
EMAIL = "someone@example.org"
CREATE = "POST /v1/payment_intents"
CANCEL = "POST /v1/payment_intents/*/cancel"
LEASE = 120.0
"""Seconds after which no lease of a router with default settings still holds."""

ROUTING = f"""
stripe:
  default:
    finance:
      bot: {{product_id: prod_1, price_id: price_1, customer_id: {CUSTOMER}, user_email: {EMAIL}}}
      other: {{product_id: prod_1, price_id: price_1, customer_id: {CUSTOMER}}}
      yen: {{product_id: prod_1, price_id: price_1, customer_id: {CUSTOMER}, currency: jpy}}
      dinar: {{product_id: prod_1, price_id: price_1, customer_id: {CUSTOMER}, currency: kwd}}
      card: {{product_id: prod_1, price_id: price_1, customer_id: {CUSTOMER},
        payment_method_id: {CARD}}}
      poor: {{product_id: prod_1, price_id: price_1, customer_id: cus_without_card}}
      foreign: {{product_id: prod_1, price_id: price_1, customer_id: {CUSTOMER},
        account_id: acct_somebody0else}}
"""

stripe.enable_telemetry = False


class Died(BaseException):
    """The process ends here: nothing of the library may catch this."""


class Wire(SandboxHTTPClient):
    """The sandbox's transport, with something happening before and after each request."""

    def __init__(
        self,
        world: World,
        before: Callable[[str, str], object] | None = None,
        after: Callable[[str, str], object] | None = None,
    ) -> None:
        super().__init__(world)
        self.before = before
        self.after = after

    def request(  # type: ignore[override]
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        if self.before is not None:
            self.before(method.upper(), url)
        answer = super().request(method, url, headers, post_data)
        if self.after is not None:
            self.after(method.upper(), url)
        return answer


class Forging(SandboxHTTPClient):
    """The sandbox's transport, with answers to payments changed on their way back."""

    def __init__(self, world: World, change: Callable[[dict[str, Any]], None]) -> None:
        super().__init__(world)
        self._change = change

    def request(  # type: ignore[override]
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        body, status, answered = super().request(method, url, headers, post_data)
        if "/v1/payment_intents" in url:
            found = json.loads(body)
            self._change(found)
            body = json.dumps(found).encode()
        return body, status, answered


@dataclass
class Bench:
    """One world and one ledger; routers come and go."""

    world: World
    folder: Path
    url: str
    routers: list[BillingRouter] = field(default_factory=list)

    @property
    def config(self) -> Path:
        return self.folder / "routing.yaml"

    @property
    def database(self) -> Path:
        return Path(self.url.removeprefix("sqlite:///"))

    def router(self, **changes: Any) -> BillingRouter:
        """A router as a process makes it when it starts."""
        settings: dict[str, Any] = {
            "secret_key": SANDBOX_SECRET_KEY,
            "public_key": SANDBOX_PUBLIC_KEY,
            "ledger_url": self.url,
            "api_base": SANDBOX_API_BASE,
            "http_client": SandboxHTTPClient(self.world),
            "clock": self.world.clock,
            "environ": {},
            "recover_at_start": False,
            **changes,
        }
        made = BillingRouter(self.config, **settings)
        self.routers.append(made)
        return made

    def warm(self, **changes: Any) -> BillingRouter:
        """A router that has checked its account and knows the customer's card already."""
        made = self.router(**changes)
        made.charge(BOT, "1.00", idempotency_key="warming up")
        self.world.requests.clear()
        return made

    def close(self) -> None:
        for router in self.routers:
            router.close()

    def fault(self, kind: Any, match: str = CREATE, **settings: Any) -> None:
        self.world.faults.add(Fault(kind, match=match, **settings))

    def sent(self, path: str = "/v1/payment_intents") -> list[Any]:
        """The POST requests that reached the sandbox at `path`."""
        return [r for r in self.world.requests if r.method == "POST" and r.path == path]

    def moved(self) -> list[int]:
        """Minor units of every payment that moved money, but for the one that warmed up."""
        return [int(e["amount"]) for e in self.world.effects() if not _warming(e)]

    def booked(self, router: BillingRouter) -> list[int]:
        """Minor units of every ledger entry with money in it, likewise."""
        warming = {e["payment_intent"] for e in self.world.effects() if _warming(e)}
        entries = [e for e in router.ledger.entries() if e.id not in warming]
        return [e.amount_minor for e in entries if e.amount_minor]

    def operations(self) -> list[dict[str, Any]]:
        """The rows of stripe_operations, oldest first, but for the one that warmed up."""
        query = "SELECT * FROM stripe_operations ORDER BY created_ms, rowid"
        with closing(sqlite3.connect(self.database)) as connection:
            connection.row_factory = sqlite3.Row
            rows = [dict(row) for row in connection.execute(query)]
        return [row for row in rows if row["idempotency_key"] != "warming up"]

    def untouched(self) -> bool:
        """Nothing was written and nothing was sent."""
        return not self.operations() and not self.world.requests

    def stored(self) -> bytes:
        """Every byte of the ledger's files, the write-ahead log's among them."""
        return b"".join(f.read_bytes() for f in self.folder.glob(f"{self.database.name}*"))

    def states(self) -> list[str]:
        return [row["state"] for row in self.operations()]


def _warming(effect: Mapping[str, Any]) -> bool:
    return int(effect["amount"]) == 100


def new_world() -> World:
    """A world where the routing file's customers exist; one of them has no card."""
    world = World()
    world.add_customer(CUSTOMER, email=EMAIL, default_payment_method=CARD)
    world.add_customer("cus_without_card")
    return world


class Commits:
    """Stands before `SqlStore.commit`: counts the commits and makes one of them go wrong."""

    def __init__(self, monkeypatch: Any) -> None:
        self._real = SqlStore.commit
        self._plan: dict[int, tuple[str, BaseException]] = {}
        self._kinds: dict[str, BaseException] = {}
        self.made: list[tuple[str, ...]] = []
        monkeypatch.setattr(SqlStore, "commit", self._commit_of())

    def fail(self, number: int, when: str, error: BaseException) -> None:
        """Raise `error` "before" or "after" commit `number`, counted from 1 from now on."""
        self.made.clear()
        self._plan[number] = (when, error)

    def fail_each(self, kind: str, error: BaseException) -> None:
        """Raise `error` instead of every commit that holds a write of this kind."""
        self._kinds[kind] = error

    def mend(self) -> None:
        self._plan.clear()
        self._kinds.clear()

    def _commit_of(self) -> Callable[..., None]:
        def commit(store: SqlStore, *writes: Write) -> None:
            kinds = tuple(type(write).__name__ for write in writes)
            self.made.append(kinds)
            when, error = self._plan.get(len(self.made), ("", None))
            for kind in kinds:
                if kind in self._kinds:
                    raise self._kinds[kind]
            if when == "before" and error is not None:
                raise error
            self._real(store, *writes)
            if when == "after" and error is not None:
                raise error

        return commit
