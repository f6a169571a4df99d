"""What a charge leaves in the ledger's database: its operation, its entry, its event, all indexes.

python -m benchmarks.sizes --charges 2000
"""

from __future__ import annotations

import argparse
import json
import logging
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text

from benchmarks.entries import postgres_schema
from benchmarks.harness import Figure, Promise, tell
from benchmarks.stripe_server import ROUTE
from stripe_billing_router import BillingRouter
from stripe_billing_router.engine import SystemClock
from stripe_billing_router.master_account import STRIPE_MASTER_ACCOUNT_ID
from stripe_billing_router.sandbox import (
    SANDBOX_API_BASE,
    SANDBOX_SECRET_KEY,
    SandboxHTTPClient,
    World,
)
from stripe_billing_router.store import SqlStore
from stripe_billing_router.testing import furnish_routes

BOT = "bench:bot"
WARM_UP = 200
BODY = 2500
"""Bytes of a payment intent as Stripe answers."""

_TAKES = {
    "sqlite": "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
    "postgresql": "SELECT sum(pg_total_relation_size(oid)) FROM pg_class "
    "WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace",
}


def figures(charges: int = 1000) -> Iterator[Figure]:
    """Yield how many bytes a charge takes."""
    with tempfile.TemporaryDirectory() as folder, postgres_schema() as postgres:
        here = Path(folder)
        for name, url in (("SQLite", f"sqlite:///{here}/ledger.db"), ("PostgreSQL", postgres)):
            if url is not None:
                takes = _grown(url, here, charges)
                subject = f"a charge in the ledger, {name}"
                yield Figure(subject, takes, "bytes", promise=Promise("at most", 11_000))


def _grown(url: str, folder: Path, charges: int) -> float:
    """Return by how many bytes a database grows for each charge by a sandbox's router."""
    config = folder / "routing.json"
    config.write_text(json.dumps({"stripe": {"default": {"bench": {"bot": ROUTE}}}}))
    account, base = STRIPE_MASTER_ACCOUNT_ID, SANDBOX_API_BASE
    with closing(SqlStore(url, SystemClock(), account_id=account, api_base=base)) as store:
        store.upgrade()
    world = World(account_id=account)
    with BillingRouter(
        config,
        secret_key=SANDBOX_SECRET_KEY,
        ledger_url=url,
        home=folder,
        api_base=base,
        http_client=_AsLong(world),
        clock=world.clock,
        environ={},
        recover_at_start=False,
    ) as router:
        furnish_routes(world, router.routes, {})
        for number in range(WARM_UP):
            router.charge(BOT, number + 1)
        before = _size(url)
        for number in range(charges):
            router.charge(BOT, number + 1, idempotency_key=f"order-{number}")
        return (_size(url) - before) / charges


class _AsLong(SandboxHTTPClient):
    """Answers that are as long as Stripe's."""

    def request(self, *asked: Any, **more: Any) -> Any:
        body, status, headers = super().request(*asked, **more)
        found = json.loads(body)
        if found.get("object") == "payment_intent":
            padding = secrets.token_hex(BODY)[: BODY - len(body)]
            body = json.dumps({**found, "padding": padding}).encode()
        return body, status, headers


def _size(url: str) -> int:
    engine = create_engine(url)
    with engine.connect() as connection:
        size = int(connection.execute(text(_TAKES[engine.dialect.name])).scalar_one())
    engine.dispose()
    return size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--charges", type=int, default=2000)
    logging.disable(logging.CRITICAL)
    tell(figures(parser.parse_args().charges))


if __name__ == "__main__":
    main()
